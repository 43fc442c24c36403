"""Tombstones that nothing needs any more go, and no generation of a key comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowcast.crud.renderers.tombstones import TOMBSTONES

from .conftest import Place
from .test_apply import apply, shops  # noqa: F401

DAY = timedelta(days=1)


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    made = sa.create_engine(migrated_url)
    yield made
    made.dispose()


@pytest.fixture
def captured(shops: Place, tmp_path: Path) -> Iterator[Place]:  # noqa: F811
    apply(shops, tmp_path)
    yield shops
    shops.run("DELETE FROM rowcast.floors", "DELETE FROM rowcast.row_history", "DELETE FROM dead_letters")


def told(place: Place, key: str, generation: int, *, deleted: bool = True, stage: str = "synced") -> None:
    place.run(
        "INSERT INTO rowcast.statuses"
        " (renderer, key, target, observed_generation, deleted, outcome, stage, delivered_at)"
        f" VALUES ('shops', '{key}', 'k8s', {generation}, {deleted}, 'deleted', '{stage}', now())"
        " ON CONFLICT (renderer, key, target) DO UPDATE SET observed_generation = excluded.observed_generation,"
        " deleted = excluded.deleted, stage = excluded.stage"
    )


def age(place: Place) -> None:
    place.run("UPDATE rowcast.rows SET changed_at = now() - interval '2 days' WHERE renderer = 'shops'")


def test_a_tombstone_goes_once_it_is_old_and_every_target_has_confirmed_it(captured: Place, engine: sa.Engine) -> None:
    captured.run("UPDATE shops SET size = 9 WHERE id = 1", "DELETE FROM shops WHERE id = 1")
    told(captured, "1", 3)
    assert TOMBSTONES.once(engine, DAY) == 0  # young
    age(captured)
    told(captured, "1", 2)
    assert TOMBSTONES.once(engine, DAY) == 0
    told(captured, "1", 3, deleted=False)
    assert TOMBSTONES.once(engine, DAY) == 0
    told(captured, "1", 3, stage="proposed")
    assert TOMBSTONES.once(engine, DAY) == 0
    told(captured, "1", 3)
    captured.run(
        "INSERT INTO dead_letters"
        " (event_key, target, reason, error, renderer, key, position, event, dead_lettered_at, state)"
        " VALUES ('x', 'k8s', 'invalid', 'no', 'shops', '1', '{}', '{}', now(), 'open')"
    )
    assert TOMBSTONES.once(engine, DAY) == 0  # its event may be sent again
    captured.run("DELETE FROM dead_letters")

    assert TOMBSTONES.once(engine, DAY) == 1
    assert captured.generations("shops") == {"2": 1}
    for table in ("statuses", "row_history"):
        assert captured.ask(f"SELECT FROM rowcast.{table} WHERE renderer = 'shops' AND key = '1'") == []
    captured.run("INSERT INTO shops VALUES (1, 5), (7, 5)", "UPDATE shops SET size = 8 WHERE id = 2")
    assert captured.generations("shops") == {"1": 4, "7": 4, "2": 2}


def test_triggers_that_know_no_floor_keep_their_tombstones(captured: Place, engine: sa.Engine) -> None:
    captured.run("DELETE FROM shops WHERE id = 1")
    age(captured)
    captured.run("""DO $$ BEGIN
        EXECUTE replace(pg_get_functiondef('rowcast."shops/refresh"(text[])'::regprocedure), 'rowcast.floors', 'gone');
    END $$""")

    assert TOMBSTONES.once(engine, DAY) == 0


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_writer_that_began_before_the_tombstone_went_goes_on_from_it(
    captured: Place, engine: sa.Engine, isolation: str
) -> None:
    captured.run("UPDATE shops SET size = 9 WHERE id = 1", "DELETE FROM shops WHERE id = 1")
    age(captured)
    with engine.connect().execution_options(isolation_level=isolation) as writer:
        writer.execute(sa.text("SELECT count(*) FROM shops"))
        assert TOMBSTONES.once(engine, DAY) == 1
        writer.execute(sa.text("INSERT INTO shops VALUES (1, 5)"))
        writer.commit()

    assert captured.generations("shops")["1"] == 4


STEPS = st.lists(st.tuples(st.sampled_from(["write", "delete", "prune"]), st.integers(1, 3)), max_size=12)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_generation_of_a_key_comes_twice_whatever_is_pruned(
    captured: Place, engine: sa.Engine, steps: list[tuple[str, int]]
) -> None:
    highest: dict[str, int] = {}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for step, key in steps:
            before = captured_generations(connection)
            if step == "write":
                upsert = "INSERT INTO shops VALUES (:key, 1) ON CONFLICT (id) DO UPDATE SET size = shops.size + 1"
                connection.execute(sa.text(upsert), {"key": key})
            elif step == "delete":
                connection.execute(sa.text("DELETE FROM shops WHERE id = :key"), {"key": key})
            else:
                connection.execute(sa.text("UPDATE rowcast.rows SET changed_at = now() - interval '2 days'"))
                TOMBSTONES.once(engine, DAY)
            for one, generation in captured_generations(connection).items():
                if before.get(one) != generation:
                    assert generation > highest.get(one, 0)
                highest[one] = generation


def captured_generations(connection: sa.Connection) -> dict[str, int]:
    found = connection.execute(sa.text("SELECT key, generation FROM rowcast.rows WHERE renderer = 'shops'"))
    return {row.key: row.generation for row in found}
