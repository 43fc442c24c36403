"""Rows of `rowcast.rows`, written as its triggers write them: for tests of what carries them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg2.extensions
from psycopg2.extras import Json

from rowcast.core.errors import PermanentError
from rowcast.core.events import AppConfig, Change, decode

_WRITE = """
INSERT INTO rowcast.rows (renderer, key, generation, revision, deleted, row, actor, actor_verified, changed_at)
VALUES (%(renderer)s, %(key)s, 1, 1, false, %(row)s, %(actor)s, true, now())
ON CONFLICT (renderer, key) DO UPDATE SET generation = rows.generation + 1, deleted = false, row = excluded.row,
    actor = excluded.actor, changed_at = now()
"""
_REVISE = """
UPDATE rowcast.rows SET generation = generation + 1, revision = %(revision)s, deleted = %(deleted)s, changed_at = now()
WHERE renderer = %(renderer)s AND key = %(key)s
"""


def write(cursor: psycopg2.extensions.cursor, renderer: str, key: str, row: Any, actor: str | None = None) -> None:
    """A row is made or changed: its next generation."""
    cursor.execute(_WRITE, {"renderer": renderer, "key": key, "row": Json(row), "actor": actor})


def revise(
    cursor: psycopg2.extensions.cursor, renderer: str, key: str, revision: int, *, deleted: bool = False
) -> None:
    """The next generation, whose row is left as it is: by another revision of its renderer, or `deleted`."""
    cursor.execute(_REVISE, {"renderer": renderer, "key": key, "revision": revision, "deleted": deleted})


def configuration(event: Any) -> AppConfig | None:
    """The configuration that an event is of; None for one of any other row, or of none."""
    change = _decoded(event)
    return change.state if change is not None and isinstance(change.state, AppConfig) else None


def configurations(events: Iterable[Any]) -> list[Change]:
    """The changes of configurations among these events."""
    return [change for change in map(_decoded, events) if change is not None and isinstance(change.state, AppConfig)]


def _decoded(event: Any) -> Change | None:
    try:
        return decode(event, partly=True)
    except PermanentError:
        return None
