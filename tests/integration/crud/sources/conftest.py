"""Tables of somebody else's on a real PostgreSQL, and what captures them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
import sqlalchemy as sa

from rowcast.core.source import Source, TableName
from rowcast.crud.sources.catalogue import Table, read_table
from rowcast.crud.sources.triggers import SCHEMA, Capture


@dataclass(frozen=True)
class Place:
    """A database of its own. `rows` says what is captured: by key, the row, or None for a deleted one."""

    url: str

    def connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(self.url.replace("postgresql+psycopg2", "postgresql"))

    def run(self, *statements: str) -> None:
        connection = self.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        connection = self.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
        connection.close()
        return rows

    def table(self, name: TableName) -> Table:
        engine = sa.create_engine(self.url)
        with engine.connect() as connection:
            table = read_table(connection, name)
        engine.dispose()
        assert table is not None
        return table

    def capture(self, source: Source) -> Capture:
        """Installs it, and fills the rows."""
        related = {name: self.table(each.table) for name, each in source.related.items()}
        capture = Capture(source, self.table(source.table), related)
        self.run(
            f"INSERT INTO rowcast.sources (renderer, revision) VALUES ('{source.renderer}', 1) ON CONFLICT DO NOTHING"
        )
        self.run(*capture.install(), capture.compare())
        return capture

    def rows(self, renderer: str) -> Mapping[str, Any]:
        found = self.ask(f"SELECT key, deleted, row::text FROM rowcast.rows WHERE renderer = '{renderer}'")
        return {key: None if deleted else json.loads(row) for key, deleted, row in found}

    def generations(self, renderer: str) -> Mapping[str, int]:
        return dict(self.ask(f"SELECT key, generation FROM rowcast.rows WHERE renderer = '{renderer}'"))


@pytest.fixture
def place(postgres_server: str) -> Iterator[Place]:
    name = f"sources_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(f"{postgres_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    made = Place(f"{postgres_server}/{name}")
    made.run(SCHEMA)
    yield made
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
