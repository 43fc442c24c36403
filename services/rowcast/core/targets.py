"""A target's name, by which everything else knows it, and its kind: what it delivers to."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from rowcast.core.rules import LABEL_PATTERN

TargetKind = Literal["k8s", "git"]
KINDS: Final[tuple[TargetKind, ...]] = get_args(TargetKind)
LONGEST_NAME = 58
"""In characters; `sync-` goes before it, and Dapr takes 63 for an application's id."""


def check_name(name: str) -> str:
    """The name. Raises ValueError for one that a target can't have."""
    if not re.fullmatch(LABEL_PATTERN, name) or len(name) > LONGEST_NAME:
        raise ValueError(f"{name!r} is not a DNS-1123 label of {LONGEST_NAME} characters at most")
    return name


def kind_of(name: str, kind: str | None = None) -> TargetKind:
    """The kind of a target; without one said, the target is called as its kind is. Raises ValueError."""
    if name in KINDS and kind not in (None, name):
        raise ValueError(f"{name} is the name of a target of the kind {name}, not {kind}")
    known = next((one for one in KINDS if one == (kind or name)), None)
    if known is None and kind is not None:
        raise ValueError(f"{kind!r} is no kind of target; there are {' and '.join(KINDS)}")
    if known is None:
        raise ValueError(
            f"{name} is not called as a kind of target is ({', '.join(KINDS)}), so its kind has to be said"
        )
    return known


def url_variable(name: str) -> str:
    """The environment's variable for where a target's instance answers commands: `ROWCAST_SYNC_K8S_EU_URL`."""
    return f"ROWCAST_SYNC_{name.upper().replace('-', '_')}_URL"


def read_target(text: str) -> tuple[str, TargetKind]:
    """A name and its kind from `name`, where that is a kind, or `name=kind`. Raises ValueError."""
    name, equals, kind = (part.strip() for part in text.partition("="))
    try:
        return check_name(name), kind_of(name, kind if equals else None)
    except ValueError as error:
        raise ValueError(f"{error}; write {name or 'NAME'}=k8s or {name or 'NAME'}=git") from None
