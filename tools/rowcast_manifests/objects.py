"""Kubernetes objects as plain data, told apart by what the API server tells them apart by."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Manifest = dict[str, Any]

# libyaml, where PyYAML was built with it, is ten times as fast; a rendering is thousands of lines.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, order=True)
class Identity:
    """What makes an object that object, whatever its API version says."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, manifest: Manifest) -> "Identity":
        """The identity of `manifest`; the namespace is "" where the manifest leaves it to whoever applies it."""
        metadata = manifest["metadata"]
        group, _, version = str(manifest["apiVersion"]).rpartition("/")
        del version
        return cls(group, manifest["kind"], metadata.get("namespace", ""), metadata["name"])


Objects = Mapping[Identity, Manifest]


def parse(text: str) -> dict[Identity, Manifest]:
    """The objects of a stream of YAML documents. Raises ValueError for two with one identity."""
    return index(document for document in yaml.load_all(text, Loader=_LOADER) if document)


def index(manifests: Iterable[Manifest]) -> dict[Identity, Manifest]:
    """Objects by identity. Raises ValueError for two with one identity."""
    found: dict[Identity, Manifest] = {}
    for manifest in manifests:
        identity = Identity.of(manifest)
        if identity in found:
            raise ValueError(f"two objects are {identity}")
        found[identity] = manifest
    return found


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, no aliases, and text of several lines as a block: as people write it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def to_yaml(*manifests: Manifest) -> str:
    """One YAML document each, keys in the order they have."""
    return "---\n".join(yaml.dump(m, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True) for m in manifests)
