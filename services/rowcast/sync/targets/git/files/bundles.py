"""The files of rows: a configuration's one manifest, or all that a row of another table renders to, in one file.

A file is read as a whole and is ours as a whole: whatever is not as it was written, is drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rowcast.core.digest import digest_of_bytes, digest_of_manifest
from rowcast.core.errors import PermanentError
from rowcast.core.layout import is_file_name
from rowcast.core.render import LSN, Desired, Manifest, ResourceType
from rowcast.core.row import APP_CONFIGS, as_label
from rowcast.sync.targets.git.files.parsing import MOST_NODES, ODD
from rowcast.sync.targets.git.files.yaml import to_yaml

TOO_LARGE = "too-large"
FILE_BYTES = 1024 * 1024
"""Of a file that is read, and written."""
RETAINED: Mapping[str, str] = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
"""What tells engines to leave an object behind whose file is gone: Argo CD's sync options, Flux' Kustomization."""
_DOCUMENTS = "documents"


def as_file(desired: Desired) -> Desired:
    """The state with its manifests as one file's. Raises PermanentError (`too-large`)."""
    if desired.row.renderer == APP_CONFIGS or not desired.manifests:
        return desired
    documents = [_kept(manifest) for manifest in desired.manifests]
    nodes = sum(map(_nodes, documents))
    if nodes > MOST_NODES:
        raise PermanentError(TOO_LARGE, f"{desired.name}: {nodes} values in one file; at most {MOST_NODES} are read")
    name = desired.name if is_file_name(desired.name) else as_label(desired.row.key)
    folder = ResourceType("", "", desired.row.renderer, desired.row.renderer)
    body = {"metadata": documents[0]["metadata"], _DOCUMENTS: documents}
    file = Manifest(folder, name, body)
    size = len(content_of(file))
    if size > FILE_BYTES:
        raise PermanentError(TOO_LARGE, f"{desired.name}: a file of {size} bytes; at most {FILE_BYTES} are read")
    return replace(desired, manifests=(file,))


def content_of(manifest: Manifest) -> bytes:
    """A file's bytes."""
    if _DOCUMENTS not in manifest.body:
        return to_yaml(manifest.body)
    return b"---\n".join(to_yaml(document) for document in manifest.body[_DOCUMENTS])


def digest_of_file(manifest: Manifest) -> str:
    """Of what is written: the same as `digest_of_documents` of what is read then."""
    if _DOCUMENTS not in manifest.body:
        return digest_of_manifest(manifest)
    return digest_of_documents([_as_read(document) for document in manifest.body[_DOCUMENTS]])


def digest_of_documents(documents: Iterable[Any]) -> str:
    """Of documents as they were read. The same state has one place in the log in its event, another in a snapshot."""
    text = json.dumps([_without_lsn(one) for one in documents], sort_keys=True, separators=(",", ":"))
    return digest_of_bytes(text.encode(errors="surrogatepass"))


def _kept(manifest: Manifest) -> Mapping[str, Any]:
    if manifest.delete == "delete":
        return manifest.body
    metadata = manifest.body["metadata"]
    return {**manifest.body, "metadata": {**metadata, "annotations": {**metadata["annotations"], **RETAINED}}}


def _nodes(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + len(value) + sum(map(_nodes, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return 1 + sum(map(_nodes, value))
    return 1


def _as_read(value: Any) -> Any:
    """As `parsing` gives it back."""
    match value:
        case Mapping():
            return {key: _as_read(each) for key, each in value.items()}
        case list() | tuple():
            return [_as_read(each) for each in value]
        case str():
            return value.encode(errors="replace").decode()
        case bool() | None:
            return value
        case int() if value >= 0:
            return value
    return ODD + to_yaml({"number": value}).decode().removeprefix("number: ").removesuffix("\n")


def _without_lsn(document: Any) -> Any:
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(annotations, Mapping):
        return document
    rest = {name: value for name, value in annotations.items() if name != LSN}
    return {**document, "metadata": {**metadata, "annotations": rest}}
