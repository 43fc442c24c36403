"""What turns one object into another, as the strategic merge patch that Kustomize and kubectl understand.

Lists that the API merges by a key (a container's `env` by `name`, say) are patched entry by entry, so that two
patches to one list don't undo each other. Every other list is replaced as a whole: for custom resources Kustomize
knows no keys.

Source: the `patchMergeKey` tags of k8s.io/api/core/v1 and apps/v1.
"""

from dataclasses import dataclass, field
from typing import Any

from rowcast_manifests.objects import Identity, Manifest, Objects

_BY_NAME = ("containers", "initContainers", "ephemeralContainers", "env", "volumes", "imagePullSecrets")
_MERGE_KEYS = {
    **dict.fromkeys(_BY_NAME, ("name",)),
    "volumeMounts": ("mountPath",),
    "topologySpreadConstraints": ("topologyKey",),
    # Of a container, or of a Service.
    "ports": ("containerPort", "port"),
}
_BUILT_IN_GROUPS = frozenset({"", "apps", "batch", "policy", "autoscaling"})
_DELETE = {"$patch": "delete"}


@dataclass
class Difference:
    """`added` are whole objects, `patches` are for objects that stay, `removed` are the objects that go."""

    added: list[Manifest] = field(default_factory=list)
    patches: list[Manifest] = field(default_factory=list)
    removed: list[Manifest] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.patches or self.removed)


def difference(before: Objects, after: Objects) -> Difference:
    """What has to be added, patched and removed so that `before` becomes `after`."""
    found = Difference()
    for identity, manifest in after.items():
        if identity not in before:
            found.added.append(manifest)
        elif before[identity] != manifest:
            found.patches.append(patch(before[identity], manifest))
    found.removed.extend(_head(before[identity]) for identity in before if identity not in after)
    return found


def patch(before: Manifest, after: Manifest) -> Manifest:
    """The patch that turns `before` into `after`, two states of one object."""
    built_in = Identity.of(before).group in _BUILT_IN_GROUPS
    changes = _of_mappings(before, after, built_in)
    head = _head(after)
    metadata = {**changes.pop("metadata", {}), **head.pop("metadata")}
    return {**head, "metadata": metadata, **changes}


def deletion(head: Manifest) -> Manifest:
    """The patch that takes an object out."""
    return {"$patch": "delete", **head}


def _head(manifest: Manifest) -> Manifest:
    metadata = {key: manifest["metadata"][key] for key in ("name", "namespace") if key in manifest["metadata"]}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata}


def _of_mappings(before: Manifest, after: Manifest, built_in: bool) -> Manifest:
    changes: Manifest = dict.fromkeys(key for key in before if key not in after)
    for key, value in after.items():
        if key not in before:
            changes[key] = value
        elif before[key] != value:
            changes[key] = _of_values(key, before[key], value, built_in)
    return changes


def _of_values(key: str, before: Any, after: Any, built_in: bool) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        return _of_mappings(before, after, built_in)
    if not (built_in and isinstance(before, list) and isinstance(after, list) and key in _MERGE_KEYS):
        return after
    merge_key = next((k for k in _MERGE_KEYS[key] if _keyed(before, k) and _keyed(after, k)), None)
    if merge_key is None:
        return [*after, {"$patch": "replace"}]
    return _of_keyed_lists(before, after, merge_key)


def _keyed(entries: list[Any], merge_key: str) -> bool:
    """Whether every entry has a key of its own."""
    keys = [entry.get(merge_key) for entry in entries]
    return None not in keys and len(set(keys)) == len(keys)


def _of_keyed_lists(before: list[Manifest], after: list[Manifest], merge_key: str) -> list[Manifest]:
    old = {entry[merge_key]: entry for entry in before}
    new = {entry[merge_key]: entry for entry in after}
    changes: list[Manifest] = []
    for key, entry in new.items():
        if key not in old:
            changes.append(entry)
        elif old[key] != entry:
            changes.append({merge_key: key, **_entry_changes(old[key], entry, merge_key)})
    changes.extend({merge_key: key, **_DELETE} for key in old if key not in new)
    return changes


def _entry_changes(before: Manifest, after: Manifest, merge_key: str) -> Manifest:
    """An `env` entry that goes from `value` to `valueFrom` must lose the one for the other: null does that."""
    changes = _of_mappings(before, after, built_in=True)
    changes.pop(merge_key, None)
    return changes
