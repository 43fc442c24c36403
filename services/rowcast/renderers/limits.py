"""What Kubernetes refuses of any resource, whatever its kind. Pure.

Source: kubernetes.io/docs, Object Names and IDs, Labels and Selectors, Annotations; k8s.io/apimachinery's validation.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
LABEL = 63  # characters
NAME = 253  # characters
ANNOTATIONS = 256 * 1024  # bytes, of all keys and values
# Their names are within an address or a DNS name; rbac's are any segment of a path.
_LABEL_NAMES = {"Namespace", "Service"}
_RBAC = "rbac.authorization.k8s.io/"


def refused(kind: str, content: Mapping[str, Any]) -> str | None:
    """Why Kubernetes would refuse a resource's metadata, or None. `kind` is `Kind` or `group/Kind`."""
    return next(_reasons(kind, content["metadata"], content), None)


def _reasons(kind: str, metadata: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    name, namespace = metadata["name"], metadata.get("namespace")
    if kind.startswith(_RBAC):
        if name in (".", "..") or "/" in name or "%" in name:
            yield f"metadata.name {name!r} can't be a part of a path"
    elif kind in _LABEL_NAMES:
        yield from _dns("metadata.name", name, _LABEL, LABEL)
    else:
        yield from _dns("metadata.name", name, _SUBDOMAIN, NAME)
    if namespace is not None:
        yield from _dns("metadata.namespace", namespace, _LABEL, LABEL)
    places = ["metadata.labels", "metadata.annotations"]
    if kind in ("ConfigMap", "Secret"):
        places += ["data", "stringData"]
    members = {place: (metadata if "." in place else content).get(place.rpartition(".")[2]) or {} for place in places}
    wrong = [place for place, value in members.items() if not isinstance(value, dict)]
    if wrong:
        yield f"{wrong[0]} must be a mapping"
        return
    for key, value in members["metadata.labels"].items():
        yield from _key("label", key)
        if not isinstance(value, str):
            yield f"label {key} must be a text, and is {value!r}; use string(…)"
        elif len(value) > LABEL or (value and not _WORD.fullmatch(value)):
            yield f"label {key}: {_short(value)} must be at most {LABEL} letters, digits, -, _ and ."
    size = 0
    for key, value in members["metadata.annotations"].items():
        yield from _key("annotation", key)
        if not isinstance(value, str):
            yield f"annotation {key} must be a text, and is {value!r}; use string(…)"
        else:
            size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS:
        yield f"the annotations have {size} bytes, and {ANNOTATIONS} are taken"
    for place in places[2:]:
        for key, value in members[place].items():
            if not isinstance(value, str):
                yield f"{place}.{key} must be a text, and is {value!r}; use string(…)"


def _dns(place: str, value: str, pattern: re.Pattern[str], longest: int) -> Iterator[str]:
    if len(value) > longest or not pattern.fullmatch(value):
        dots = " and ." if pattern is _SUBDOMAIN else ""
        yield f"{place} {_short(value)} must be at most {longest} lower-case letters, digits, -{dots}"


def _key(what: str, key: str) -> Iterator[str]:
    prefix, slash, name = key.rpartition("/")
    bad_prefix = slash and (len(prefix) > NAME or not _SUBDOMAIN.fullmatch(prefix))
    if bad_prefix or len(name) > LABEL or not _WORD.fullmatch(name):
        yield f"{what} {_short(key)} must be a name of at most {LABEL} characters, after an optional domain and /"


def _short(value: str) -> str:
    return repr(value if len(value) <= 80 else f"{value[:77]}…")
