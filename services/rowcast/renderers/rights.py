"""What sync has to be allowed for declarations: generated from their `allow`, and no more. Pure.

(Kubernetes, "Using RBAC Authorization", privilege escalation prevention: who makes a binding needs `bind` on the role
that it refers to, who makes a role needs `escalate`.)
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from rowcast.core.render import AppConfigRenderer
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need

VERBS = ["get", "list", "watch", "create", "patch", "delete"]
RBAC = "rbac.authorization.k8s.io"
_BINDINGS = ("RoleBinding", "ClusterRoleBinding")
_ROLES = {"Role": "roles", "ClusterRole": "clusterroles"}
_OURS = f"{AppConfigRenderer.resource.group}/{AppConfigRenderer.resource.kind}"
_AS_THEY_ARE = frozenset({"Endpoints"})


def plural_of(kind: str) -> str:
    """A kind's name in rules, as it is formed nearly everywhere: `NetworkPolicy` is `networkpolicies`."""
    name = kind.lower()
    if kind in _AS_THEY_ARE:
        return name
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "x", "ch", "sh")) else f"{name}s"


def rules(renderers: Iterable[Renderer], plurals: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The rules of a ClusterRole, one for each API group, in a fixed order.

    `plurals`: by kind as `allow` has it, the resource's name where it is formed in another way.
    """
    found = list(renderers)
    by_group: dict[str, set[str]] = {}
    for renderer in found:
        for allowed in renderer.allow.kinds:
            group, _, kind = allowed.rpartition("/")
            by_group.setdefault(group, set()).add((plurals or {}).get(allowed) or plural_of(kind))
    made: list[dict[str, Any]] = [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(VERBS)}
        for group, resources in sorted(by_group.items())
    ]
    return [*made, *_escalations(found)]


def needs(renderers: Iterable[Renderer], called: Mapping[str, str]) -> list[Need]:
    """What `rules` says, by kind. `called`: by kind as `allow` has it, the resource's name at the API server.

    Without our own kind, which is allowed in one namespace and looked at by itself.
    """
    by_kind: dict[str, set[str]] = {}
    beside: dict[tuple[str, str], set[str]] = {}
    for renderer in renderers:
        for kind in renderer.allow.kinds:
            by_kind.setdefault(kind, set()).add(renderer.name)
        for rule in _escalations([renderer]):
            for resource, verb in product(rule["resources"], rule["verbs"]):
                beside.setdefault((resource, verb), set()).add(renderer.name)
    by_kind.pop(_OURS, None)
    kind_of = {plural: f"{RBAC}/{kind}" for kind, plural in _ROLES.items()}
    return [
        *(
            Need(kind, kind.rpartition("/")[0], called.get(kind, ""), tuple(VERBS), tuple(sorted(names)))
            for kind, names in sorted(by_kind.items())
        ),
        *(
            Need(kind_of[resource], RBAC, resource, (verb,), tuple(sorted(names)))
            for (resource, verb), names in sorted(beside.items())
        ),
    ]


def manifests(name: str, wanted: Sequence[Any], subject: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """A ClusterRole with these rules, and its binding to who delivers."""
    metadata = {"name": name, "labels": {"app.kubernetes.io/part-of": "rowcast"}}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": list(wanted)}
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": reference,
        "subjects": [dict(subject)],
    }
    return [role, binding]


def _escalations(renderers: Sequence[Renderer]) -> list[dict[str, Any]]:
    kinds = {kind for renderer in renderers for kind in renderer.allow.kinds}
    made: list[dict[str, Any]] = []
    if any(f"{RBAC}/{kind}" in kinds for kind in _BINDINGS):
        made.append({"apiGroups": [RBAC], "resources": sorted(_ROLES.values()), "verbs": ["bind"]})
    roles = [plural for kind, plural in _ROLES.items() if f"{RBAC}/{kind}" in kinds]
    if roles:
        made.append({"apiGroups": [RBAC], "resources": sorted(roles), "verbs": ["escalate"]})
    return made
