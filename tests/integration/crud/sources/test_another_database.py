"""docs/how-to/rows-of-another-database.md: its SQL is run, between two databases of one server."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from world import wait_until

from .conftest import Place
from .test_apply import DECLARATION
from .test_commands import rowcast

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "rows-of-another-database.md"


@pytest.fixture
def other(postgres_server: str) -> Iterator[Place]:
    name = f"other_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(f"{postgres_server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield Place(f"{postgres_server}/{name}")
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def subscribed(place: Place, other: Place) -> Iterator[Place]:
    other.run("CREATE TABLE shops (id bigint PRIMARY KEY, size int NOT NULL)", "INSERT INTO shops VALUES (1, 5)")
    blocks = re.findall(r"```sql\n +-- in (.*)\n +(.*)\n +```", PAGE.read_text())
    assert len(blocks) == 3
    url = make_url(other.url)
    access = f"host={url.host} port={url.port} dbname={url.database} user={url.username} password={url.password}"
    for where, statement in blocks:
        # Of its own server's, a subscription can't make the slot by itself.
        slot = f"WITH (create_slot = false, slot_name = '{url.database}')"
        here = re.sub(r"CONNECTION '.*' (PUBLICATION \w+)", rf"CONNECTION '{access}' \1 {slot}", statement)
        if here != statement:
            other.run(f"SELECT pg_create_logical_replication_slot('{url.database}', 'pgoutput')")
        (other if where == "the other database" else place).run(here)
    yield place
    place.run("DROP SUBSCRIPTION rowcast_shops")


def sizes(place: Place) -> dict[str, int | None]:
    return {key: row and row["size"] for key, row in place.rows("shops").items()}


def test_rows_that_logical_replication_writes_are_captured(subscribed: Place, other: Place, tmp_path: Path) -> None:
    file = tmp_path / "shops.yaml"
    file.write_text(DECLARATION)
    wait_until(lambda: subscribed.ask("SELECT id FROM shops") == [(1,)])
    subscribed.run(rowcast(subscribed, "sql", "-f", file).stdout)
    assert sizes(subscribed) == {"1": 5}

    other.run("INSERT INTO shops VALUES (2, 6), (3, 7)", "UPDATE shops SET size = 8 WHERE id = 1")
    other.run("DELETE FROM shops WHERE id = 3")
    wait_until(lambda: sizes(subscribed) == {"1": 8, "2": 6, "3": None}, lambda: str(sizes(subscribed)))

    other.run("TRUNCATE shops", "INSERT INTO shops VALUES (4, 9)")
    wait_until(lambda: sizes(subscribed) == {"1": None, "2": None, "3": None, "4": 9}, lambda: str(sizes(subscribed)))
