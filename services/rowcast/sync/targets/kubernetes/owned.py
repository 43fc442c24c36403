"""What of a live object we have applied, by the API server's own record of who owns which field.

(Kubernetes, "Server-Side Apply", field management: `f:` names a field, `k:` an item of a list by its keys, `v:` one by
its value; a field without anything below it is owned whole.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rowcast.core.digest import digest_of_bytes
from rowcast.core.render import LSN

_OURS_TO_IGNORE = ("apiVersion", "kind", "status")


def owned(live: Any, fields: Mapping[str, Any]) -> Any:
    """The part of a live value that `fields` (a `fieldsV1`, or a part of one) say is ours."""
    below = {key: value for key, value in fields.items() if key != "."}
    if not below:
        return live
    if isinstance(live, Mapping):
        named = ((key[2:], value) for key, value in below.items() if key.startswith("f:"))
        return {name: owned(live[name], value) for name, value in named if name in live}
    if isinstance(live, list):
        return [part for item in live if (part := _item(item, below)) is not _NOTHING]
    return live


def digest_of_owned(body: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits of what is ours of an object; its place in the log is no part of its state."""
    return _digest({"kind": body.get("kind"), **owned(body, fields), "metadata": _metadata(body, fields)})


def digest_of_applied(body: Mapping[str, Any]) -> str:
    """The same of a manifest: it is ours as a whole."""
    return _digest(dict(body))


_NOTHING = object()


def _item(item: Any, below: Mapping[str, Any]) -> Any:
    for key, fields in below.items():
        if key.startswith("k:") and isinstance(item, Mapping):
            keys = json.loads(key[2:])
            if all(item.get(name) == value for name, value in keys.items()):
                return owned(item, fields)
        elif key.startswith("v:") and json.loads(key[2:]) == item:
            return item
    return _NOTHING


def _metadata(body: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    metadata = body["metadata"]
    ours = owned(metadata, fields.get("f:metadata") or {".": {}, "f:name": {}})
    return {**ours, "name": metadata.get("name")}


def _digest(body: dict[str, Any]) -> str:
    metadata = {name: value for name, value in body["metadata"].items() if name in ("name", "labels", "annotations")}
    annotations = {name: value for name, value in (metadata.get("annotations") or {}).items() if name != LSN}
    rest = {name: value for name, value in body.items() if name not in _OURS_TO_IGNORE}
    whole = {"kind": body.get("kind"), **rest, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(_present(whole), sort_keys=True, separators=(",", ":"), default=str)
    return digest_of_bytes(text.encode(errors="surrogatepass"))


def _present(value: Any) -> Any:
    """Without nulls and empty members, of which the API server keeps some and leaves out others."""
    if isinstance(value, Mapping):
        some = {key: _present(each) for key, each in value.items()}
        return {key: each for key, each in some.items() if each not in (None, {}, [])}
    return [_present(each) for each in value] if isinstance(value, list | tuple) else value
