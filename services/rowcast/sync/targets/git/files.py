"""Which files of a repository are ours, and which rows they are of."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any

import yaml

from rowcast.core.digest import digest_of
from rowcast.core.plan import Held
from rowcast.core.render import GENERATION, LSN, MANAGED_BY, MANAGER, ROW_ID, TABLE
from rowcast.sync.targets.git.plain import read_plain

NOT_OWNED = "not-owned"
SIZE_LIMIT = 64 * 1024
"""Bytes. A larger file is not one of ours."""


def may_be_ours(path: str) -> bool:
    """Whether a file's name alone lets it be one of ours."""
    return path.endswith((".yaml", ".yml"))


def read_held(path: str, content: bytes) -> Held | None:
    """The labels of a file; None when it is not ours."""
    document: object = read_plain(content)
    if document is None:
        if MANAGED_BY.encode() not in content:
            return None
        document = _parse(content)
    return _held(path, document)


def _parse(content: bytes) -> object:
    """A file of ours that somebody has formatted anew is still ours, and the same."""
    try:
        return yaml.load(content, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError):
        return None


def _held(path: str, document: object) -> Held | None:
    metadata = _mapping(_mapping(document).get("metadata"))
    labels = _mapping(metadata.get("labels"))
    annotations = _mapping(metadata.get("annotations"))
    table, row_id = labels.get(TABLE), str(labels.get(ROW_ID, ""))
    if labels.get(MANAGED_BY) != MANAGER or not isinstance(table, str) or not _is_number(row_id):
        return None
    generation, lsn = (_number(annotations.get(name)) for name in (GENERATION, LSN))
    return Held(path, intern(table), int(row_id), generation, lsn, digest_of(_mapping(document)))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _number(value: object) -> int:
    """An annotation that a hand has broken counts as 0: anything newer may overwrite it."""
    text = str(value)
    return int(text) if _is_number(text) else 0
