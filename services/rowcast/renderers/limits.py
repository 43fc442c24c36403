"""What Kubernetes refuses of any resource, whatever its kind. Pure.

Source: kubernetes.io/docs, Object Names and IDs, Labels and Selectors, Annotations; k8s.io/apimachinery's validation.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
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
    metadata = content["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace")
    reason = _of_name(kind, name)
    if reason is None and namespace is not None:
        reason = _of_dns("metadata.namespace", namespace, _LABEL, LABEL)
    if reason is not None:
        return reason
    members = [(f"metadata.{each}", metadata.get(each) or {}) for each in ("labels", "annotations")]
    if kind in ("ConfigMap", "Secret"):
        members += [(each, content.get(each) or {}) for each in ("data", "stringData")]
    for place, value in members:
        if not isinstance(value, dict):
            return f"{place} must be a mapping"
    (_, labels), (_, annotations), *data = members
    return next(_of_members(labels, annotations, data), None)


def _of_members(
    labels: Mapping[str, Any], annotations: Mapping[str, Any], data: Sequence[tuple[str, Mapping[str, Any]]]
) -> Iterator[str]:
    for key, value in labels.items():
        if (reason := _of_key("label", key)) is not None:
            yield reason
        if not isinstance(value, str):
            yield f"metadata.labels: label {key} must be a text, and is {value!r}; use string(…)"
        elif len(value) > LABEL or (value and not _WORD.fullmatch(value)):
            yield f"metadata.labels: label {key}: {_short(value)} must be at most {LABEL} letters, digits, -, _ and ."
    size = 0
    for key, value in annotations.items():
        if (reason := _of_key("annotation", key)) is not None:
            yield reason
        if not isinstance(value, str):
            yield f"metadata.annotations: annotation {key} must be a text, and is {value!r}; use string(…)"
        else:
            size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS:
        yield f"metadata.annotations have {size} bytes, and {ANNOTATIONS} are taken"
    for place, members in data:
        for key, value in members.items():
            if not isinstance(value, str):
                yield f"{place}.{key} must be a text, and is {value!r}; use string(…)"


def _of_name(kind: str, name: str) -> str | None:
    if kind.startswith(_RBAC):
        return f"metadata.name {name!r} can't be a part of a path" if _no_segment(name) else None
    if kind in _LABEL_NAMES:
        return _of_dns("metadata.name", name, _LABEL, LABEL)
    return _of_dns("metadata.name", name, _SUBDOMAIN, NAME)


def _no_segment(name: str) -> bool:
    return name in (".", "..") or "/" in name or "%" in name


def _of_dns(place: str, value: str, pattern: re.Pattern[str], longest: int) -> str | None:
    if len(value) <= longest and pattern.fullmatch(value):
        return None
    dots = " and ." if pattern is _SUBDOMAIN else ""
    return f"{place} {_short(value)} must be at most {longest} lower-case letters, digits, -{dots}"


@lru_cache(4096)  # the rows of a declaration have the same ones
def _of_key(what: str, key: str) -> str | None:
    prefix, slash, name = key.rpartition("/")
    bad_prefix = slash and (len(prefix) > NAME or not _SUBDOMAIN.fullmatch(prefix))
    if not bad_prefix and len(name) <= LABEL and _WORD.fullmatch(name):
        return None
    place = f"metadata.{what}s: {what} {_short(key)}"
    return f"{place} must be a name of at most {LABEL} characters, after an optional domain and /"


def _short(value: str) -> str:
    return repr(value if len(value) <= 80 else f"{value[:77]}…")
