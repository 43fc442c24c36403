"""Which files of a repository are ours, and which rows they are of."""

from __future__ import annotations

from collections.abc import Mapping

from rowcast.core.digest import digest_of, digest_of_bytes
from rowcast.core.held import marks
from rowcast.core.plan import Held
from rowcast.core.render import MANAGED_BY
from rowcast.sync.targets.git.files.parsing import Document, UnreadableError, parse
from rowcast.sync.targets.git.files.plain import read_plain
from rowcast.sync.targets.git.files.tree_index import Unreadable

NOT_OWNED = "not-owned"
SIZE_LIMIT = 64 * 1024
"""Bytes. A larger file is not one of ours."""


def may_be_ours(path: str) -> bool:
    """Whether a file's name alone lets it be one of ours. Nothing could name one whose bytes are no UTF-8."""
    return path.endswith((".yaml", ".yml")) and not any("\udc80" <= character <= "\udcff" for character in path)


def read_held(path: str, content: bytes) -> Held | None:
    """Which row a file is of; None when it is not ours. Never raises: anybody may have written it."""
    plainly = read_plain(content)
    if plainly is not None:
        return _held(path, Document(plainly, repeats=False), content)
    if MANAGED_BY.encode() not in content:
        return None
    try:
        # A file of ours that somebody has formatted anew is still ours, and the same.
        return _held(path, parse(content), content)
    except UnreadableError:
        return None


def read_unreadable(content: bytes) -> Unreadable | None:
    """Why a file can't be ours though it names Rowcast; None when that can be read. Never raises."""
    if MANAGED_BY.encode() not in content:
        return None
    try:
        parse(content)
    except UnreadableError as error:
        return Unreadable(str(error))
    return None


def _held(path: str, document: Document, content: bytes) -> Held | None:
    body = _mapping(document.content)
    metadata = _mapping(body.get("metadata"))
    carried = marks(metadata.get("labels"), metadata.get("annotations"))
    if carried is None:
        return None
    # What an engine would refuse is not as we have written it, wherever that stands.
    digest = f"repeats:{digest_of_bytes(content)}" if document.repeats else digest_of(body)
    return Held(path, carried.row, carried.generation, carried.lsn, digest)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
