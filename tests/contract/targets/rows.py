"""Rows as the database would have them, and their change events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from rowcast.core.events import AppConfig, Change, Op
from rowcast.core.render import Desired, render
from rowcast.core.row import app_config

SAVED_AT = "2026-01-02T03:04:05.678Z"
_TICK: Iterator[int] = count(1_000)


def change(
    row_id: int,
    generation: int,
    name: str,
    *,
    deleted: bool = False,
    environment: str = "dev",
    lsn: int | None = None,
    actor: str = "ann",
    verified: bool = False,
    approved_by: str = "",
    branch: str | None = None,
) -> Change:
    """One change event. Events made later are later in the log, unless `lsn` says otherwise."""
    row = AppConfig(
        id=row_id,
        name=name,
        repository_url="https://git.example.org/team/app.git",
        branch=branch or f"release-{generation}",
        environment=environment,
        generation=generation,
        created_at=SAVED_AT,
        updated_at=SAVED_AT,
        updated_by=actor,
        updated_by_verified=verified,
        approved_by=approved_by,
    )
    op = Op.DELETE if deleted else Op.CREATE if generation == 1 else Op.UPDATE
    return Change(app_config(row_id), op, row, next(_TICK) if lsn is None else lsn, SAVED_AT)


def saved(row_id: int, generation: int, name: str, **more: object) -> Desired:
    """What a target should hold after a row was created or updated."""
    return render(change(row_id, generation, name, **more))  # type: ignore[arg-type]


def deleted(row_id: int, generation: int, name: str, **more: object) -> Desired:
    """What a target should hold after a row was deleted: nothing."""
    return render(change(row_id, generation, name, deleted=True, **more))  # type: ignore[arg-type]
