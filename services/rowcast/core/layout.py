"""Where in a repository a row's files go: a root folder, and below it a template of their paths. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rowcast.core.errors import PermanentError
from rowcast.core.events import TABLE as APP_CONFIGS_TABLE
from rowcast.core.render import Desired, Manifest
from rowcast.core.row import APP_CONFIGS, as_label, shard_of

INVALID_NAME = "invalid-name"
DEFAULT_PATH = "{environment}/{plural}/{name}.yaml"
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names under which kustomize looks for what a folder holds; the first is the one that we write."""

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
DNS_LABEL = re.compile(_LABEL)
_DNS_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_FIELD = re.compile(r"\{(environment|plural|kind|name|table|id|shard)\}")
_SEGMENT = re.compile(rf"(?:[A-Za-z0-9_]|{_FIELD.pattern})(?:[A-Za-z0-9._-]|{_FIELD.pattern})*")


def is_file_name(name: str) -> bool:
    """Whether a row's name may be a file's: a DNS-1123 subdomain."""
    return len(name) <= 253 and _DNS_SUBDOMAIN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Layout:
    """`root` is a folder, empty for the repository itself; `path` a template with `{environment}`, `{plural}` (such as
    `appconfigs`), `{kind}`, `{name}`, `{table}`, `{id}` and `{shard}`. Raises ValueError for one that is not safe.

    Of other tables' rows, `{plural}`, `{kind}` and `{table}` are their renderer, and `{id}` their key or its digest.
    `{shard}` is one of 256, `00` to `ff`, by the row's key: a commit writes each folder anew that it changes a file of.
    Different configurations never have the same path: names and ids are unique, and one of them has a part of the path
    that no other field is in.
    """

    root: str = ""
    path: str = DEFAULT_PATH

    def __post_init__(self) -> None:
        if any(part in {"", ".", "..", ".git"} for part in self.root.split("/") if self.root):
            raise ValueError(f"not a folder inside a repository: {self.root!r}")
        segments = self.path.split("/")
        for segment in segments:
            if not _SEGMENT.fullmatch(segment):
                raise ValueError(f"not part of a path in a repository: {segment!r} in {self.path!r}")
        if not self.path.endswith((".yaml", ".yml")):
            raise ValueError(f"a path ends with .yaml or .yml: {self.path!r}")
        if not any(_FIELD.findall(segment) in (["name"], ["id"]) for segment in segments):
            raise ValueError(f"a path has a part with {{name}} or {{id}} and no other field: {self.path!r}")

    def place(self, desired: Desired, manifest: Manifest) -> str:
        """A file's path in the repository. Raises PermanentError (`invalid-name`)."""
        if not DNS_LABEL.fullmatch(desired.environment):
            raise PermanentError(INVALID_NAME, f"environment {desired.environment!r} is not a DNS-1123 label")
        of_app_configs = desired.row.renderer == APP_CONFIGS
        if of_app_configs and not is_file_name(manifest.name):
            raise PermanentError(INVALID_NAME, f"name {manifest.name!r} is not a DNS-1123 subdomain")
        path = self.path.format(
            environment=desired.environment,
            plural=manifest.type.plural,
            kind=manifest.type.kind,
            name=manifest.name,
            table=APP_CONFIGS_TABLE if of_app_configs else desired.row.renderer,
            id=as_label(desired.row.key),
            shard=shard_of(desired.row.key),
        )
        if path.rpartition("/")[2] in KUSTOMIZATIONS:
            raise PermanentError(INVALID_NAME, f"{path} would be taken for what kustomize is to do with its folder")
        return f"{self.root}/{path}" if self.root else path
