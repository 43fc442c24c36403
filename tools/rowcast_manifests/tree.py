"""The files of `kustomize/` and `dapr-components/cluster/`, made from the chart. Pure but for asking Helm."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from rowcast_manifests.chart import RenderingError
from rowcast_manifests.difference import Difference, deletion, difference
from rowcast_manifests.merge import Values, merge
from rowcast_manifests.objects import Identity, Manifest, index, to_yaml
from rowcast_manifests.options import BASE, OPTIONS, Option

Render = Callable[[Values], list[Manifest]]
Files = dict[PurePosixPath, str]

_MADE = "# Made by `./task manifests` from charts/rowcast: change it there.\n"
_COMPONENT_LABEL = "app.kubernetes.io/component"
_KUSTOMIZE = PurePosixPath("kustomize")
_DAPR = PurePosixPath("dapr-components/cluster")
_BY_NAME = {option.name: option for option in OPTIONS}


def files(render: Render) -> Files:
    """Every made file, by its path from the checkout's root, with its content. Raises RenderingError."""
    once = _once(render)
    made = _base(once(merge(BASE)))
    for option in OPTIONS:
        made |= _component(option, once)
    return made


def values_of(names: Iterable[str]) -> Values:
    """The chart's values for the base with the components `names`."""
    return merge(BASE, *(_BY_NAME[name].values for name in names))


def _once(render: Render) -> Render:
    """Options share what they are compared with: Helm, the slow part, is asked once for the same values."""
    rendered: dict[str, list[Manifest]] = {}

    def once(values: Values) -> list[Manifest]:
        key = json.dumps(values, sort_keys=True)
        if key not in rendered:
            rendered[key] = render(values)
        return rendered[key]

    return once


def _base(objects: list[Manifest]) -> Files:
    folder = _KUSTOMIZE / "base"
    made = {folder / name: _documents(group) for name, group in _by_part(o for o in objects if not _of_dapr(o)).items()}
    dapr = {_DAPR / name: _documents(group) for name, group in _by_part(o for o in objects if _of_dapr(o)).items()}
    kustomizations = {
        folder / "kustomization.yaml": _kustomization(
            "Kustomization", {"resources": [*_names(made), "../../" + str(_DAPR)]}
        ),
        _DAPR / "kustomization.yaml": _kustomization("Kustomization", {"resources": _names(dapr)}),
    }
    return {**made, **dapr, **kustomizations}


def _component(option: Option, render: Render) -> Files:
    """Its change to the base; and what it changes only where other options have brought something, or left it there."""
    found = _change(option, (), render)
    every_part = [] if option.every_part or option.whole else [o.name for o in OPTIONS if o.every_part]
    # Any other broker stands for all of them: what depends on which one is that broker's own option's.
    kinds = option.every_part or option.broker or option.of_kafka or _brokers(option.after)
    broker = [] if kinds else [next(o.name for o in OPTIONS if o.broker)]
    always = set(index(render(values_of(option.after))))
    if broker:
        always &= set(index(render(values_of((*broker, *option.after)))))
    fixed, optional = Difference(added=found.added), Difference()
    for beside in ((), every_part, broker, (*every_part, *broker)):
        change = _change(option, beside, render)
        if change.added != found.added:
            raise RenderingError(f"{option.name} adds other objects beside {', '.join(beside)}")
        for of, into in ((change.patches, "patches"), (change.removed, "removed")):
            for manifest in of:
                wanted = fixed if Identity.of(manifest) in always else optional
                _add_once(getattr(wanted, into), manifest, f"{option.name} beside {', '.join(beside)}")
    return _component_files(_KUSTOMIZE / "components" / option.name, option, fixed, optional)


def _brokers(names: Iterable[str]) -> bool:
    return any(_BY_NAME[name].broker for name in names)


def _add_once(manifests: list[Manifest], manifest: Manifest, what: str) -> None:
    """Raises RenderingError for two changes to one object: a component can make only one."""
    same = [known for known in manifests if Identity.of(known) == Identity.of(manifest)]
    if not same:
        manifests.append(manifest)
    elif same != [manifest]:
        raise RenderingError(f"{what} changes {manifest['kind']} {manifest['metadata']['name']} in another way")


def _change(option: Option, beside: Iterable[str], render: Render) -> Difference:
    """What the option changes where it comes after its own conditions and the options `beside`."""
    before = values_of((*beside, *option.after))
    return difference(index(render(before)), index(render(merge(before, option.values))))


def _component_files(folder: PurePosixPath, option: Option, found: Difference, optional: Difference) -> Files:
    """`optional` are patches to objects that are there only beside other options; without them, they do nothing."""
    made = {folder / name: _documents(group) for name, group in _by_part(found.added).items()}
    content: dict[str, Any] = {"resources": _names(made)} if made else {}
    patches: list[dict[str, Any]] = [{"path": name} for name in _patch_files(folder, "", found, made)]
    patches += [
        {"target": _selector(patch), "path": name}
        for name, patch in _patch_files(folder, "optional-", optional, made).items()
    ]
    if patches:
        content["patches"] = patches
    after = f"# Comes after {', '.join(option.after)}.\n" if option.after else ""
    made[folder / "kustomization.yaml"] = _kustomization("Component", content, f"# {option.summary}\n{after}")
    return made


def _patch_files(folder: PurePosixPath, prefix: str, change: Difference, made: Files) -> dict[str, Manifest]:
    """Adds a file for each patch to `made`; returns the patches by file name."""
    named: dict[str, Manifest] = {}
    changes = [("patch", patch) for patch in change.patches]
    changes += [("remove", deletion(head)) for head in change.removed]
    for verb, patch in changes:
        name = f"{prefix}{verb}-{patch['kind'].lower()}-{patch['metadata']['name']}.yaml"
        made[folder / name] = _documents([patch])
        named[name] = patch
    return named


def _selector(patch: Manifest) -> Mapping[str, str]:
    identity = Identity.of(patch)
    return {"group": identity.group, "kind": identity.kind, "name": f"^{identity.name}$"}


def _names(made: Iterable[PurePosixPath]) -> list[str]:
    return sorted(path.name for path in made)


def _by_part(objects: Iterable[Manifest]) -> dict[str, list[Manifest]]:
    """Objects by the file that they go to: one a part, as its label names it; of Dapr's, one each."""
    groups: dict[str, list[Manifest]] = {}
    for manifest in objects:
        groups.setdefault(f"{_part(manifest)}.yaml", []).append(manifest)
    return groups


def _part(manifest: Manifest) -> str:
    kind = str(manifest["kind"]).lower()
    if _of_dapr(manifest):
        return f"{kind}-{manifest['metadata']['name']}"
    labels: Mapping[str, str] = manifest["metadata"].get("labels", {})
    return labels.get(_COMPONENT_LABEL, kind)


def _of_dapr(manifest: Manifest) -> bool:
    return Identity.of(manifest).group == "dapr.io"


def _documents(objects: list[Manifest]) -> str:
    return _MADE + to_yaml(*objects)


def _kustomization(kind: str, content: Mapping[str, Any], comment: str = "") -> str:
    version = "v1alpha1" if kind == "Component" else "v1beta1"
    head = {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind}
    return _MADE + comment + yaml.safe_dump({**head, **content}, sort_keys=False)
