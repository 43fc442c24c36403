"""A user's database: read for a declaration, and written when that is applied."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from rowcast.core.errors import RowcastError, TransientError
from rowcast.core.shapes import TableShape
from rowcast.core.source import Source, TableName
from rowcast.crud.database.connections import log_in_with, parsed_json, translated
from rowcast.crud.sources.catalogue import Table, read_table
from rowcast.crud.sources.triggers import Capture, qualified
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import UsageError

MIGRATED = text("SELECT to_regclass('rowcast.environments') IS NOT NULL")
_BEHIND = "declare the table behind it, with what it joins by `with` and what it leaves out by `where`"
_KINDS = {
    "v": ("a view", _BEHIND),
    "m": ("a materialized view", _BEHIND),
    "f": ("a foreign table", "subscribe to it by logical replication (docs: rows of another database)"),
}
_FILE = "ROWCAST_DATABASE_PASSWORD_FILE"
_LONGEST_PAUSE = 5.0  # seconds


class SourceError(RowcastError):
    """A table can't be read or captured as a declaration says; the text says why."""


@contextmanager
def reading(url: str) -> Iterator[Connection]:
    """A connection whose transactions only read. Raises UsageError for a URL, SourceError for the database's no."""
    with _connected(url) as connection:
        yield connection.execution_options(postgresql_readonly=True)


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """A transaction, which ends well or changes nothing. Raises as `reading` does."""
    with _connected(url) as connection, connection.begin():
        yield connection


@contextmanager
def known_tables(url: str) -> Iterator[Callable[[TableName], TableShape | None]]:
    """Gives the shape of a table that is there. Raises as `reading` does."""
    with reading(url) as connection:
        yield partial(_captured_shape, connection)


def _captured_shape(connection: Connection, name: TableName) -> TableShape | None:
    table = read_table(connection, name)
    if table is None:
        return None
    refuse_without_triggers(table)
    return table.shape()


def wait_until_migrated(url: str, seconds: float) -> None:
    """Returns once the database answers and has renderers. Raises UsageError for a URL, LateError."""
    engine = _engine(url)

    def attempt() -> None:
        with translated(), engine.connect() as connection:
            if not connection.execute(MIGRATED).scalar():
                raise TransientError("the database isn't migrated yet (rowcast crud migrate)")

    Deadline(seconds, slowest=_LONGEST_PAUSE).until(attempt)


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise SourceError(f"the database: {str(error.orig).strip().splitlines()[0]}") from None


def _engine(url: str) -> Engine:
    """Keeps no connection. The password may be in a file, as crud's is (`ROWCAST_DATABASE_PASSWORD_FILE`)."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise UsageError("--database-url must be like postgresql://user:password@host:5432/name") from None
    if parsed.get_backend_name() != "postgresql":
        raise UsageError(f"--database-url must be of PostgreSQL, and is of {parsed.get_backend_name()}")
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg2"),
        poolclass=NullPool,
        json_deserializer=parsed_json,
        connect_args={"connect_timeout": 10},
    )
    file = os.environ.get(_FILE)
    log_in_with(engine, Path(file) if file else None)
    return engine


def capture_of(connection: Connection, source: Source, owned: bool = True) -> Capture:
    """A source with what the catalogue says of its tables. Raises SourceError for what can't be captured."""
    tables = {
        name: read_table(connection, name) for name in (source.table, *(e.table for e in source.related.values()))
    }
    for name, table in tables.items():
        if table is None:
            raise SourceError(f"there is no table {name}")
        refuse_without_triggers(table)
    known: dict[Any, Table] = {name: table for name, table in tables.items() if table is not None}
    related = {alias: known[each.table] for alias, each in source.related.items()}
    return Capture(source, known[source.table], related, owned)


def refuse_without_triggers(table: Table) -> None:
    """Raises SourceError for what is no table, with what to do instead."""
    if table.kind in _KINDS:
        what, instead = _KINDS[table.kind]
        raise SourceError(f"{table.name} is {what}, on which no trigger tells of changes: {instead}")


def owned(connection: Connection, source: Source) -> bool:
    """Whether this login owns all tables of a source. Only an owner may make a trigger fire always."""
    names = [source.table, *(each.table for each in source.related.values())]
    query = text("SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass(:table)")
    return all(connection.execute(query, {"table": qualified(name)}).scalar() for name in names)


def read_row(connection: Connection, capture: Capture, key: Sequence[str]) -> dict[str, Any]:
    """A row as it is captured, by the texts of its key's columns. Raises SourceError if there is none."""
    if len(key) != len(capture.source.key):
        raise UsageError(f"the key is {', '.join(capture.source.key)}: name --key for each, in this order")
    *settings, query = capture.select(key)
    for statement in settings:
        connection.exec_driver_sql(statement)
    row = connection.exec_driver_sql(query.replace("%", "%%")).scalar_one_or_none()
    if row is None:
        raise SourceError(f"there is no row of the key {', '.join(key)} in {capture.source.table}")
    return dict(row)
