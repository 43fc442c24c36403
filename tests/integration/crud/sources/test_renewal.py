"""What a version before has installed on tables is renewed by `rowcast crud migrate`, and the tables aren't touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from integration.crud.serving import make_settings
from rowcast.crud.migrations.migrate import migrate
from rowcast.crud.sources.renewal import Renewal, renew

from .conftest import Place
from .test_apply import DECLARATION, apply, revisions, shops  # noqa: F401
from .test_commands import rowcast

OLD = """DO $$ BEGIN
EXECUTE replace(pg_get_functiondef('rowcast."{}/refresh"(text[])'::regprocedure), 'rowcast.floors', 'gone');
END $$"""
"""As a version before the floors had it."""


@pytest.fixture
def captured(shops: Place, tmp_path: Path) -> Iterator[Place]:  # noqa: F811
    apply(shops, tmp_path)
    yield shops
    shops.run("DELETE FROM rowcast.floors", "DELETE FROM rowcast.row_history")


def knows_the_floor(place: Place, renderer: str = "shops") -> bool:
    [(body,)] = place.ask(f"SELECT prosrc FROM pg_proc WHERE proname = '{renderer}/refresh'")
    return "rowcast.floors" in body


def renewed(place: Place) -> dict[str, Renewal]:
    engine = sa.create_engine(place.url)
    with engine.connect() as connection:
        found = renew(connection)
    engine.dispose()
    return {each.renderer: each for each in found}


def test_migrating_renews_an_old_function_and_what_is_written_next_is_captured_by_it(captured: Place) -> None:
    captured.run(OLD.format("shops"), "INSERT INTO rowcast.floors VALUES ('shops', 40)")
    before = revisions(captured)
    assert not knows_the_floor(captured)

    with closing(captured.connect()) as somebody, somebody.cursor() as cursor:
        # Whoever works on the table, and be it with all of it locked, is neither waited for nor disturbed.
        cursor.execute("LOCK TABLE shops IN ACCESS EXCLUSIVE MODE")
        migrate(make_settings(f"{captured.url}?options=-c%20lock_timeout%3D2000"))

    assert knows_the_floor(captured)
    assert revisions(captured) == before
    captured.run("INSERT INTO shops VALUES (7, 1)", "UPDATE shops SET size = 9 WHERE id = 1")
    assert revisions(captured) == before | {"7": (41, 1), "1": (2, 1)}


def test_what_is_as_it_should_be_is_left(captured: Place) -> None:
    made = "SELECT oid, xmin::text FROM pg_proc WHERE pronamespace = 'rowcast'::regnamespace ORDER BY oid"
    before = captured.ask(made)

    assert renewed(captured) == {}
    assert captured.ask(made) == before


def test_a_column_that_came_later_is_captured_by_apply_only(captured: Place) -> None:
    """Nobody has yet said whether it may leave the database."""
    captured.run("ALTER TABLE shops ADD COLUMN token text DEFAULT 'secret'", OLD.format("shops"))

    assert renewed(captured)["shops"] == Renewal("shops", ("shops/refresh",))
    captured.run("UPDATE shops SET size = 9")
    assert "secret" not in str(captured.rows("shops"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE shops RENAME TO gone", "there is no table public.shops"),
        ("ALTER TABLE shops RENAME size TO gone", "public.shops has no column size any more"),
        ("ALTER TABLE shops ALTER size TYPE text", "column size of public.shops is string now, and was int"),
        ("UPDATE rowcast.sources SET revision = 9 WHERE renderer = 'shops'", "there is no declaration of it"),
    ],
)
def test_one_that_cannot_be_renewed_is_said_and_harms_no_other(
    captured: Place, tmp_path: Path, change: str, reason: str
) -> None:
    other = tmp_path / "zoos.yaml"
    other.write_text(DECLARATION.replace("name: shops", "name: zoos").replace("public.shops", "public.zoos"))
    captured.run("CREATE TABLE zoos (id bigint PRIMARY KEY, size int NOT NULL)")
    assert rowcast(captured, "apply", other).exit_code == 0
    captured.run(OLD.format("shops"), OLD.format("zoos"), change)
    try:
        found = renewed(captured)
        assert found["zoos"] == Renewal("zoos", ("zoos/refresh",))
        assert knows_the_floor(captured, "zoos")
        assert not knows_the_floor(captured)
        [trouble] = found["shops"].trouble
        assert reason in trouble
    finally:
        captured.run(
            "ALTER TABLE IF EXISTS gone RENAME TO shops",
            "DO $$ BEGIN ALTER TABLE shops RENAME gone TO size; EXCEPTION WHEN undefined_column THEN NULL; END $$",
            "ALTER TABLE shops ALTER size TYPE int USING size::int",
            "UPDATE rowcast.sources SET revision = 1",
            "DROP TABLE zoos",
        )
        rowcast(captured, "delete", "zoos", "--objects", "remove", "--yes")


def test_a_function_of_an_administrators_is_said_with_the_command(captured: Place) -> None:
    captured.run("CREATE ROLE renewer LOGIN PASSWORD 'renews'", OLD.format("shops"))
    captured.run(
        "GRANT USAGE, CREATE ON SCHEMA rowcast TO renewer", "GRANT SELECT ON ALL TABLES IN SCHEMA rowcast TO renewer"
    )
    url = sa.engine.make_url(captured.url).set(username="renewer", password="renews")
    try:
        [trouble] = renewed(Place(url.render_as_string(hide_password=False)))["shops"].trouble
    finally:
        captured.run("DROP OWNED BY renewer", "DROP ROLE renewer")

    assert "shops/compare is not this login's to make anew: an administrator runs what `rowcast renderer sql" in trouble


def test_triggers_that_are_needed_and_not_there_are_named_with_the_command(captured: Place) -> None:
    captured.run('DROP TRIGGER "rowcast/shops/source/truncate" ON shops', OLD.format("shops"))

    assert renewed(captured)["shops"] == Renewal(
        "shops",
        ("shops/refresh",),
        (
            "not there as this version makes them: rowcast/shops/source/truncate on public.shops:"
            " rowcast renderer apply FILE",
        ),
    )
