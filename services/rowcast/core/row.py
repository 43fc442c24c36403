"""Which row something is about: identity is the same in the core, on every wire, in labels and in tables. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

APP_CONFIGS = "appconfigs"
"""The built-in renderer, whose rows are those of the table `app_configs`."""


class RowKey(NamedTuple):
    """`key` is the canonical text of the key's columns. A renderer's name has no slash in it."""

    renderer: str
    key: str

    def __str__(self) -> str:
        """As it stands on wires and in logs: `renderer/key`."""
        return f"{self.renderer}/{self.key}"


def identity(row: RowKey | None) -> dict[str, str | None]:
    """A row as every message names it; nulls where it isn't known."""
    return {"renderer": None, "key": None} if row is None else {"renderer": row.renderer, "key": row.key}


def row_named(text: str) -> RowKey:
    """The row that `renderer/key` names. Raises ValueError."""
    renderer, slash, key = text.partition("/")
    if not (renderer and slash and key):
        raise ValueError(f"a row is named as renderer/key, not {text!r}")
    return RowKey(renderer, key)


RENDERER = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
"""A renderer's name: a DNS-1123 label."""
KEY_MAX = 2048
"""Characters of a key; of an index of PostgreSQL's as well, about."""
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""The value of a label, as Kubernetes has it."""
_HASHED = "h-"


def as_label(key: str) -> str:
    """A key as the value of a label: itself where it can be one, else a digest, which no key has as its label."""
    if _LABEL.fullmatch(key) and not key.startswith(_HASHED):
        return key
    return _HASHED + _digest(key)[:32]


def shard_of(key: str) -> str:
    """One of 256 parts of all keys, `00` to `ff`."""
    return _digest(key)[:2]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def app_config(row_id: int) -> RowKey:
    """A row of `app_configs`."""
    return RowKey(APP_CONFIGS, str(row_id))
