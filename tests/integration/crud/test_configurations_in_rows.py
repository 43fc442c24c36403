"""Configurations in `rowcast.rows`: what stands there is what their table says, however it came to say so."""

import asyncio
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from rowcast.core.errors import TransientError
from rowcast.core.events import AppConfig, Change, decode
from rowcast.crud.migrations.capture import captured_tables
from rowcast.crud.migrations.migrate import migrate
from rowcast.crud.sources.configurations import Configurations, compare

from .serving import make_settings
from .test_guards import to_level

INSERT = "INSERT INTO app_configs (name, repository_url, environment) VALUES ('{}', 'https://git.example/x', 'dev')"
Captured = Callable[[], dict[str, Change]]


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(migrated_url)
    yield engine
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM app_configs"))
    compare(engine)
    engine.dispose()


@pytest.fixture
def captured(engine: sa.Engine) -> Captured:
    return lambda: read(engine)


def read(engine: sa.Engine) -> dict[str, Change]:
    """What sync makes of each row, by its name."""
    query = "SELECT * FROM rowcast.rows WHERE renderer = 'appconfigs'"
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text(query)).mappings()]
    return {change.state.name: change for change in map(event, rows)}


def event(row: dict[str, Any]) -> Change:
    after = {**row, "row": json.dumps(row["row"]), "changed_at": row["changed_at"].isoformat()}
    return decode({"iodebeziumtable": "rows", "iodebeziumop": "u", "iodebeziumlsn": 1, "data": {"after": after}})


def run(engine: sa.Engine, *statements: str) -> None:
    """One transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def said(changes: dict[str, Change]) -> dict[str, tuple[int, bool, str]]:
    """By name: generation, whether it is deleted, branch."""
    return {
        name: (change.state.generation, change.deleted, change.state.branch)
        for name, change in changes.items()
        if isinstance(change.state, AppConfig)
    }


def table(engine: sa.Engine) -> dict[str, tuple[int, bool, str]]:
    with engine.connect() as connection:
        return {
            row.name: (row.generation, False, row.branch) for row in connection.execute(sa.text("TABLE app_configs"))
        }


def test_names_that_are_swapped_through_temporary_ones_are_never_told_of(engine: sa.Engine, captured: Captured) -> None:
    run(engine, INSERT.format("swap-left"), INSERT.format("swap-right"))
    before = captured()
    renaming = "SET LOCAL rowcast.renaming = on"
    run(
        engine,
        renaming,
        "UPDATE app_configs SET name = 'swap-none' WHERE name = 'swap-left'",
        "SET LOCAL rowcast.renaming = off",
        "UPDATE app_configs SET name = 'swap-left' WHERE name = 'swap-right'",
        "UPDATE app_configs SET name = 'swap-right' WHERE name = 'swap-none'",
    )

    assert captured().keys() == before.keys()
    assert captured()["swap-left"].row == before["swap-right"].row
    assert said(captured())["swap-left"] == (2, False, "main")


def test_a_change_of_nothing_makes_no_event_and_many_at_once_are_all_captured(
    engine: sa.Engine, captured: Captured
) -> None:
    run(engine, *(INSERT.format(f"many-{number}") for number in range(30)))
    versions = "SELECT key, xmin::text FROM rowcast.rows WHERE renderer = 'appconfigs' ORDER BY 1"
    with engine.connect() as connection:
        before = connection.execute(sa.text(versions)).all()
    run(engine, "UPDATE app_configs SET branch = branch")
    with engine.connect() as connection:
        assert connection.execute(sa.text(versions)).all() == before

    run(engine, "UPDATE app_configs SET branch = 'next'")
    assert said(captured()).items() >= table(engine).items()
    run(engine, "DELETE FROM app_configs WHERE name LIKE 'many-%'")
    assert all(change.deleted for name, change in captured().items() if name.startswith("many-"))


def unseen(engine: sa.Engine, *statements: str) -> None:
    """One transaction, for which no trigger fires."""
    names = (
        "before",
        "history",
        "name_unique",
        "no_truncate",
        *(f"captured_{on}" for on in ("insert", "update", "delete")),
    )
    again = ", ".join(f"ENABLE ALWAYS TRIGGER app_configs_{name}" for name in names)
    run(engine, "ALTER TABLE app_configs DISABLE TRIGGER USER", *statements, f"ALTER TABLE app_configs {again}")


def test_what_bypassed_the_triggers_is_found_by_comparing(engine: sa.Engine, captured: Captured) -> None:
    run(engine, *(INSERT.format(f"past-{name}") for name in ("changed", "gone", "left")))
    unseen(
        engine,
        "UPDATE app_configs SET branch = 'bypassed' WHERE name = 'past-changed'",
        "DELETE FROM app_configs WHERE name = 'past-gone'",
        INSERT.format("past-new"),
    )
    assert said(captured())["past-changed"] == (1, False, "main")

    assert compare(engine) == 3

    assert said(captured()).items() >= table(engine).items()
    assert said(captured())["past-changed"] == (1, False, "bypassed")
    assert captured()["past-gone"].deleted
    assert compare(engine) == 0


def test_a_table_that_was_emptied_counts_as_a_restore_until_the_targets_have_none_of_it(
    engine: sa.Engine, captured: Captured
) -> None:
    run(engine, *(INSERT.format(f"emptied-{number}") for number in range(12)))
    run(
        engine,
        "INSERT INTO sync_statuses (row_id, target, observed_generation, deleted, outcome, delivered_at)"
        " SELECT id, 'k8s', 1, false, 'created', now() FROM app_configs",
    )
    unseen(engine, "CREATE TABLE emptied AS TABLE app_configs", "TRUNCATE app_configs")
    compare(engine)
    mine = {name: change for name, change in captured().items() if name.startswith("emptied-")}
    assert not any(change.deleted for change in mine.values())

    run(engine, "UPDATE sync_statuses SET deleted = true, outcome = 'deleted'")
    compare(engine)
    assert all(change.deleted for name, change in captured().items() if name in mine)

    unseen(engine, "INSERT INTO app_configs OVERRIDING SYSTEM VALUE TABLE emptied", "DROP TABLE emptied")
    compare(engine)
    assert said(captured()).items() >= table(engine).items()
    assert len(table(engine)) == 12


def test_rows_that_somebody_is_changing_are_left_to_their_own_trigger(engine: sa.Engine, captured: Captured) -> None:
    run(engine, INSERT.format("held"))
    unseen(engine, "UPDATE app_configs SET branch = 'bypassed' WHERE name = 'held'")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE app_configs SET branch = 'newest' WHERE name = 'held'"))
        assert compare(engine) == 0
    assert said(captured())["held"] == (2, False, "newest")


def test_a_tombstone_goes_once_every_target_has_told_that_it_has_none(engine: sa.Engine, captured: Captured) -> None:
    run(
        engine, INSERT.format("dead"), INSERT.format("dying"), "DELETE FROM app_configs WHERE name IN ('dead', 'dying')"
    )
    run(
        engine,
        "DELETE FROM app_config_deletions WHERE name = 'dead'",
        "UPDATE rowcast.rows SET changed_at = now() - interval '9 days' WHERE deleted",
        "SELECT rowcast.prune_tombstones('2 days', 100)",
    )
    assert "dead" not in captured()
    assert captured()["dying"].deleted


# An upgrade.


@pytest.fixture
def upgraded(migrated_url: str) -> Iterator[sa.Engine]:
    """A database that the version before has migrated and filled, after this version's migration."""
    name = f"upgraded_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(migrated_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    url = make_url(migrated_url).set(database=name).render_as_string(hide_password=False)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        to_level(connection, "0017")
        for number in range(5):
            connection.execute(sa.text(INSERT.format(f"old-{number}")))
    migrate(make_settings(url))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def tables(engine: sa.Engine) -> list[str]:
    """What is published, which is what must be."""
    query = "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = 'rowcast'"
    with engine.connect() as connection:
        published = set(connection.execute(sa.text(query)).scalars()) - {"public.rowcast_heartbeat"}
        assert published == set(captured_tables(connection))
    return sorted(published)


BOTH, ROWS = ["public.app_configs", "rowcast.rows"], ["rowcast.rows"]


def test_after_an_upgrade_the_table_is_captured_until_every_sync_takes_its_rows_from_there(upgraded: sa.Engine) -> None:
    facts: dict[str, Any] = {"k8s": {}, "git": TransientError("not there")}

    async def ask(target: str) -> dict[str, Any]:
        answer: Any = facts[target]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    configurations = Configurations(upgraded, ("k8s", "git"), ask, looks=2)

    def look() -> tuple[list[str], int]:
        asyncio.run(configurations.once())
        return tables(upgraded), len(read(upgraded))

    understood = {"configurations_in_rows": True}
    assert look() == (BOTH, 0)
    facts["git"] = understood
    assert look() == (BOTH, 0)
    facts["k8s"] = understood
    assert look() == (BOTH, 0)
    facts["k8s"] = {}
    assert look() == (BOTH, 0)  # another instance of it has answered
    facts["k8s"] = understood
    run(upgraded, "UPDATE app_configs SET branch = 'meanwhile' WHERE name = 'old-1'")
    assert look() == (BOTH, 0)

    asyncio.run(configurations.once())
    assert said(read(upgraded)) == table(upgraded)
    assert look() == (ROWS, 5)
    run(upgraded, "UPDATE app_configs SET branch = 'later' WHERE name = 'old-2'")
    assert said(read(upgraded)) == table(upgraded)

    run(upgraded, "SELECT rowcast.release_configurations()")
    run(upgraded, "UPDATE app_configs SET branch = 'back' WHERE name = 'old-2'")
    assert tables(upgraded) == BOTH
    assert said(read(upgraded))["old-2"] == (2, False, "later")


def test_the_schema_goes_back_and_forth(upgraded: sa.Engine) -> None:
    run(upgraded, "SELECT rowcast.capture_configurations()")
    compare(upgraded)
    for _ in range(7):  # before 0024, and so on, and before 0018
        with upgraded.begin() as connection:
            to_level(connection, "-1")
    run(upgraded, "UPDATE app_configs SET branch = 'back'")
    with upgraded.begin() as connection:
        to_level(connection, "0018")
    assert tables(upgraded) == BOTH


# Last, since a crud that serves compares them, too.


def test_what_the_api_writes_is_captured_with_its_person_and_a_deletion_with_who_deleted(
    crud: httpx.Client, new: Callable[..., dict[str, Any]], captured: Captured
) -> None:
    row = new("captured-kept")
    change = captured()["captured-kept"]
    state = change.state
    assert isinstance(state, AppConfig)
    assert (change.row.key, state.id, state.generation, state.repository_url) == (
        str(row["id"]),
        row["id"],
        1,
        row["repository_url"],
    )
    assert state.created_at[:19] == row["created_at"][:19]

    ada, bob = {"x-rowcast-user": "ada"}, {"x-rowcast-user": "bob"}
    crud.patch(f"/appconfigs/{row['id']}", json={"branch": "next"}, headers=ada).raise_for_status()
    assert said(captured())["captured-kept"] == (2, False, "next")
    assert captured()["captured-kept"].state.updated_by == "ada"

    crud.delete(f"/appconfigs/{row['id']}", headers=bob).raise_for_status()
    gone = captured()["captured-kept"]
    assert (gone.deleted, gone.state.generation, gone.state.updated_by) == (True, 3, "bob")


def test_configurations_are_served_from_their_own_table_alone(
    crud: httpx.Client, new: Callable[..., dict[str, Any]], engine: sa.Engine
) -> None:
    row = new("once")
    assert crud.get(f"/renderers/appconfigs/rows/{row['id']}").status_code == 404
    lines = crud.get("/rows:snapshot", params={"row": f"appconfigs/{row['id']}"}).text.splitlines()
    assert [json.loads(line)["rows"] for line in (lines[0], lines[-1])] == [1, 1]
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM rowcast.row_history")).scalar_one() == 0
