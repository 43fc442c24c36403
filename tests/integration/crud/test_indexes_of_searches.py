"""The indexes of searches are made where PostgreSQL has the extension, whenever that is; without it searches work."""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from rowcast.crud.migrations.migrate import migrate
from rowcast.crud.migrations.searches import index_searches

from .serving import make_settings

_INDEXES = sa.text("""
SELECT indexrelid::regclass::text, indisvalid FROM pg_index
WHERE indexrelid::regclass::text LIKE '%\\_searched\\_%' ORDER BY 1
""")
_DROP = sa.text("DROP EXTENSION pg_trgm CASCADE")


@pytest.fixture
def nobody(sql: sa.Connection) -> Iterator[sa.Connection]:
    """A connection as a role that may make nothing in the database."""
    sql.execute(sa.text("CREATE ROLE makes_nothing"))
    sql.execute(sa.text("SET ROLE makes_nothing"))
    yield sql
    sql.execute(sa.text("RESET ROLE"))
    sql.execute(sa.text("DROP ROLE makes_nothing"))


def _indexes(sql: sa.Connection) -> list[tuple[str, bool]]:
    return [(name.partition("_searched_")[0], valid) for name, valid in sql.execute(_INDEXES)]


WHOLE = [("app_configs", True), ("rowcast.rows", True)]


def test_migrating_makes_them_and_makes_them_again(migrated_url: str, sql: sa.Connection) -> None:
    assert _indexes(sql) == WHOLE
    sql.execute(_DROP)
    assert _indexes(sql) == []
    migrate(make_settings(migrated_url))
    assert _indexes(sql) == WHOLE


def test_one_that_was_left_half_made_or_is_of_a_server_before_is_made_anew(sql: sa.Connection) -> None:
    (name, _), *_ = sql.execute(_INDEXES).all()
    sql.execute(sa.text(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"))
    sql.execute(sa.text("CREATE INDEX app_configs_searched_by_another ON app_configs (upper(name))"))
    assert _indexes(sql) == [("app_configs", True), ("app_configs", False), WHOLE[1]]
    assert index_searches(sql) is None
    assert _indexes(sql) == WHOLE


def test_who_may_not_make_the_extension_is_told_what_a_dba_runs_and_searches_work(
    sql: sa.Connection, request: pytest.FixtureRequest
) -> None:
    sql.execute(_DROP)  # before anybody serves: it locks both tables whole
    crud: httpx.Client = request.getfixturevalue("crud")
    request.getfixturevalue("new")("findable")
    reason = index_searches(request.getfixturevalue("nobody"))
    assert reason is not None
    assert "permission denied" in reason
    assert "CREATE EXTENSION pg_trgm SCHEMA public" in reason
    found = crud.get("/appconfigs", params={"search": "FINDA"}).json()["items"]
    assert [row["name"] for row in found] == ["findable"]
    assert searches(crud) == "all rows"


def test_the_pipeline_says_that_searches_go_by_an_index(migrated_url: str, crud: httpx.Client) -> None:
    migrate(make_settings(migrated_url))
    assert searches(crud) == "by index"


def searches(crud: httpx.Client) -> str:
    [database] = [one for one in crud.get("/pipeline").json()["stations"] if one["name"] == "database"]
    return str(database["facts"]["searches"])
