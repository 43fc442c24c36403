"""What can be done with configurations, in terms of rows; each function is one transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping

from rowcast.core.policy import EVERYTHING, Reach
from rowcast.crud.database.connections import changing, reading
from rowcast.crud.errors import NotFoundError
from rowcast.crud.paging import Cursor, Page
from rowcast.crud.rows import queries, repository


@dataclass(frozen=True)
class Listed:
    """A page of rows with their sync statuses by row's id."""

    page: Page
    statuses: Mapping[int, Sequence[RowMapping]]


@dataclass(frozen=True)
class Status:
    """A row's generation (None if it is gone) and its sync statuses.

    `since` is when it was made, or deleted if it is gone and may not be gone from every target yet.
    """

    generation: int | None
    statuses: Sequence[RowMapping] = field(default_factory=list)
    since: datetime | None = None


def create(engine: Engine, actor: str, config: Mapping[str, str | None]) -> RowMapping:
    """The new row. Raises NameTakenError."""
    with changing(engine, actor) as connection:
        return repository.create_many(connection, [config])[0]


def get(engine: Engine, row_id: int) -> RowMapping:
    """The row. Raises NotFoundError."""
    with reading(engine) as connection:
        row = repository.get(connection, row_id)
    if row is None:
        raise NotFoundError(row_id)
    return row


def change(
    engine: Engine, actor: str, row_id: int, config: Mapping[str, str | None], expect: Callable[[RowMapping], None]
) -> RowMapping:
    """The row with the given columns changed; where nothing differs, the row as it is, at the same generation.

    `expect` gets the row as it was and raises if the caller meant another one. Raises NotFoundError, NameTakenError.
    """
    with changing(engine, actor) as connection:
        row = _locked(connection, row_id, expect)
        wanted = merged(row, config)
        if not differs(row, wanted):
            return row
        return repository.update_many(connection, {row_id: wanted})[row_id]


def remove(engine: Engine, actor: str, row_id: int, expect: Callable[[RowMapping], None]) -> None:
    """Deletes the row. `expect` as in `change`. Raises NotFoundError."""
    with changing(engine, actor) as connection:
        _locked(connection, row_id, expect)
        repository.delete_many(connection, [row_id])


def list_rows(engine: Engine, wanted: queries.ListFilter, sort: str, after: Cursor | None, limit: int) -> Listed:
    """One page, its statuses and the total, all from one snapshot."""
    with reading(engine) as connection:
        page = queries.list_page(connection, wanted, sort, after, limit)
        found = queries.statuses(connection, [row["id"] for row in page.rows]) if page.rows else []
    by_row: dict[int, list[RowMapping]] = {}
    for status in found:
        by_row.setdefault(status["row_id"], []).append(status)
    return Listed(page, by_row)


def row_history(engine: Engine, row_id: int, before: Cursor | None, limit: int, seen: Reach = EVERYTHING) -> Page:
    """A row's changes that are `seen`, newest first, also when it is gone. Raises NotFoundError if it never was."""
    with reading(engine) as connection:
        page = queries.history_page(connection, row_id, before, limit, seen)
    if not page.rows and before is None:
        raise NotFoundError(row_id)
    return page


def row_status(engine: Engine, row_id: int) -> Status:
    """What became of a row, also when it is gone. Raises NotFoundError if it never was."""
    with reading(engine) as connection:
        row = repository.get(connection, row_id)
        if row is None and not queries.history_page(connection, row_id, None, 1).rows:
            raise NotFoundError(row_id)
        found = queries.statuses(connection, [row_id])
        if row is None:
            return Status(None, found, queries.deleted_at(connection, row_id))
        return Status(row["generation"], found, row["created_at"])


def merged(row: RowMapping, config: Mapping[str, str | None]) -> dict[str, str | None]:
    """All columns that a person sets: those of `config`, the others as they are. A row that is renamed stays the same
    application's, whose name it had.
    """
    wanted = {name: config.get(name, row[name]) for name in repository.CONTENT}
    was = row["application"] or row["name"]
    application = config.get("application") or was
    wanted["application"] = row["application"] if application == (row["application"] or wanted["name"]) else application
    return wanted


def differs(row: RowMapping, wanted: Mapping[str, str | None]) -> bool:
    """Whether a person would see a change."""
    return any(row[name] != wanted[name] for name in repository.CONTENT)


def _locked(connection: Connection, row_id: int, expect: Callable[[RowMapping], None]) -> RowMapping:
    row = repository.get(connection, row_id, lock=True)
    if row is None:
        raise NotFoundError(row_id)
    expect(row)
    return row
