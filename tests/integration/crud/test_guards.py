"""What the code assumes of the table, whoever writes to it by whatever way: the database holds to it."""

from __future__ import annotations

import io
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from rowcast.crud import migrations
from rowcast.crud.migrations.migrate import migrate

from .serving import make_settings

Row = dict[str, Any]
URL = "https://git.example/shop.git"
INSERT = "INSERT INTO app_configs (name, repository_url, environment)"
INSERT_ID = "INSERT INTO app_configs (id, name, repository_url, environment) OVERRIDING SYSTEM VALUE"


def run(sql: sa.Connection, statement: str, **values: object) -> Any:
    return sql.execute(sa.text(statement), values)


def refused(sql: sa.Connection, statement: str, **values: object) -> str:
    with pytest.raises(sa.exc.DBAPIError) as caught:
        run(sql, statement, **values)
    return str(caught.value.orig)


def row_of(sql: sa.Connection, row_id: int) -> Any:
    return run(sql, "SELECT * FROM app_configs WHERE id = :id", id=row_id).mappings().one()


@contextmanager
def transaction(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        yield connection


def together(url: str, *statements: str, **values: object) -> None:
    """In one transaction."""
    with transaction(url) as connection:
        for statement in statements:
            run(connection, statement, **values)


RENAMING = "SET LOCAL rowcast.renaming = 'on'"
DONE = "SET LOCAL rowcast.renaming = 'off'"
TEMPORARY = "UPDATE app_configs SET name = 'temporary' WHERE id = :id"


# Triggers.


@pytest.mark.parametrize("role", ["replica", "local", "origin"])
def test_triggers_fire_whatever_role_a_session_takes(
    migrated_url: str, sql: sa.Connection, new: Callable[..., Row], role: str
) -> None:
    row_id = new(f"as-{role}")["id"]

    with transaction(migrated_url) as connection:
        run(connection, f"SET LOCAL session_replication_role = {role}")
        run(connection, "UPDATE app_configs SET branch = 'worker', generation = 77 WHERE id = :id", id=row_id)

    assert (row_of(sql, row_id)["branch"], row_of(sql, row_id)["generation"]) == ("worker", 2)
    assert run(sql, "SELECT count(*) FROM app_config_history WHERE row_id = :id", id=row_id).scalar_one() == 2


def test_a_worker_can_no_more_truncate_than_anybody(migrated_url: str) -> None:
    with transaction(migrated_url) as connection:
        run(connection, "SET LOCAL session_replication_role = replica")
        with pytest.raises(sa.exc.DBAPIError, match="change capture would not see it"):
            run(connection, "TRUNCATE app_configs")


# Ids and generations.


def test_an_id_is_used_once(sql: sa.Connection, new: Callable[..., Row]) -> None:
    row_id = new("once-only")["id"]
    run(sql, "DELETE FROM app_configs WHERE id = :id", id=row_id)

    said = refused(sql, f"{INSERT_ID} VALUES (:id, 'once-again', '{URL}', 'dev')", id=row_id)

    assert f"id {row_id} of app_configs was used before" in said


def test_an_id_is_used_once_within_one_transaction_too(
    migrated_url: str, sql: sa.Connection, new: Callable[..., Row]
) -> None:
    row = new("once-in-one")
    again = f"{INSERT_ID} VALUES (:id, 'once-in-one', '{URL}', 'prod')"
    with pytest.raises(sa.exc.DBAPIError, match="used before"):
        together(migrated_url, "DELETE FROM app_configs WHERE id = :id", again, id=row["id"])

    assert row_of(sql, row["id"])["environment"] == "dev"


@pytest.mark.parametrize("row_id", [-(2**63), -1, 0, 2**53, 2**53 + 1, 2**63 - 1])
def test_an_id_that_json_would_round_or_that_is_none_is_refused(sql: sa.Connection, row_id: int) -> None:
    said = refused(sql, f"{INSERT_ID} VALUES (:id, 'rounded', '{URL}', 'dev')", id=row_id)
    assert "app_configs_id_exact" in said


def test_an_id_of_a_mistake_does_not_use_up_all_others(sql: sa.Connection, new: Callable[..., Row]) -> None:
    assert "leaves out too many" in refused(sql, f"{INSERT_ID} VALUES (:id, 'far', '{URL}', 'dev')", id=2**53 - 1)
    assert new("after-far")["id"] < 2**32


def test_ids_that_sql_gives_take_the_sequence_along(sql: sa.Connection, new: Callable[..., Row]) -> None:
    ahead = new("before-given")["id"] + 50
    run(sql, f"{INSERT_ID} VALUES (:id, 'given', '{URL}', 'dev')", id=ahead)

    assert new("after-given")["id"] == ahead + 1


def test_copied_rows_begin_at_generation_one_and_take_the_sequence_along(
    sql: sa.Connection, new: Callable[..., Row]
) -> None:
    ahead = new("before-copy")["id"] + 10
    assert sql.connection.driver_connection is not None
    with sql.connection.driver_connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE copied AS SELECT * FROM app_configs WHERE false")
        cursor.execute(
            "INSERT INTO copied SELECT %s + n, 'copied-' || n, %s, 'main', 'dev', 70 + n, now(), now(), 'x', true"
            " FROM generate_series(0, 2) AS n",
            (ahead, URL),
        )
        text = io.StringIO()
        cursor.copy_expert("COPY copied TO STDOUT", text)
        text.seek(0)
        cursor.copy_expert("COPY app_configs FROM STDIN", text)
        cursor.execute("DROP TABLE copied")

    rows = run(sql, "SELECT generation, updated_by_verified FROM app_configs WHERE name LIKE 'copied-%'").all()
    assert rows == [(1, False)] * 3
    assert new("after-copy")["id"] == ahead + 3


# Names.


def test_seeding_by_on_conflict_of_the_name_works(sql: sa.Connection, new: Callable[..., Row]) -> None:
    row = new("seeded")
    seed = f"{INSERT} VALUES ('seeded', '{URL}', 'prod') ON CONFLICT (name) DO"

    run(sql, f"{seed} NOTHING")
    assert row_of(sql, row["id"])["environment"] == "dev"
    run(sql, f"{seed} UPDATE SET environment = excluded.environment")
    assert (row_of(sql, row["id"])["environment"], row_of(sql, row["id"])["generation"]) == ("prod", 2)
    run(sql, f"{seed} UPDATE SET environment = excluded.environment")
    assert row_of(sql, row["id"])["generation"] == 2
    run(sql, f"{INSERT} VALUES ('seeded-new', '{URL}', 'dev') ON CONFLICT (name) DO NOTHING")
    assert run(sql, "SELECT count(*) FROM app_configs WHERE name LIKE 'seeded%'").scalar_one() == 2


def test_merging_by_the_name_works(sql: sa.Connection, new: Callable[..., Row]) -> None:
    row = new("merged")
    run(
        sql,
        f"MERGE INTO app_configs AS row USING (VALUES ('merged'), ('merged-new')) AS given (name)"
        f" ON row.name = given.name WHEN MATCHED THEN UPDATE SET branch = 'm'"
        f" WHEN NOT MATCHED THEN INSERT (name, repository_url, environment) VALUES (given.name, '{URL}', 'dev')",
    )
    assert row_of(sql, row["id"])["branch"] == "m"


def test_a_name_in_use_is_refused_under_the_name_that_it_always_had(
    sql: sa.Connection, new: Callable[..., Row]
) -> None:
    new("in-use")
    with pytest.raises(sa.exc.IntegrityError) as caught:
        run(sql, f"{INSERT} VALUES ('in-use', '{URL}', 'dev')")
    cause: Any = caught.value.orig
    assert cause.diag.constraint_name == "app_configs_name_unique"


def test_the_version_before_still_runs_beside_this_one_and_is_refused_a_swap_cleanly(
    migrated_url: str, new: Callable[..., Row]
) -> None:
    left, right, other = (new(f"old-{name}")["id"] for name in ("left", "right", "other"))
    defer, check = (f"SET CONSTRAINTS public.app_configs_name_unique {when}" for when in ("DEFERRED", "IMMEDIATE"))
    together(migrated_url, defer, "UPDATE app_configs SET name = 'old-renamed' WHERE id = :id", check, id=other)
    swap = (f"UPDATE app_configs SET name = '{name}' WHERE id = :{name[4:]}" for name in ("old-left", "old-right"))
    with pytest.raises(sa.exc.IntegrityError) as caught:
        together(migrated_url, defer, *swap, left=right, right=left)
    cause: Any = caught.value.orig
    assert cause.diag.constraint_name == "app_configs_name_unique"


NAMES = 6


@pytest.fixture(scope="module")
def dancers(crud: httpx.Client) -> list[int]:
    items = [
        {"action": "create", "config": {"name": f"dance-{place}", "repository_url": URL, "environment": "dev"}}
        for place in range(NAMES)
    ]
    return [row["id"] for row in crud.post("/appconfigs:batch", json={"items": items}).json()["items"]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_batch_permutes_names_in_any_way_each_change_being_one(
    crud: httpx.Client, sql: sa.Connection, dancers: list[int], data: st.DataObject
) -> None:
    before = {row_id: dict(row_of(sql, row_id)) for row_id in dancers}
    last = run(sql, "SELECT max(id) FROM app_config_history").scalar_one()
    free = [f"dance-{place}" for place in range(NAMES + 2)]
    names = data.draw(st.permutations(free))[:NAMES]
    order = data.draw(st.permutations(range(NAMES)))
    wanted = {dancers[place]: names[place] for place in order}
    items = [{"action": "update", "id": row_id, "config": {"name": name}} for row_id, name in wanted.items()]

    answer = crud.post("/appconfigs:batch", json={"items": items}, headers={"x-rowcast-user": "ada"})

    assert answer.status_code == 200, answer.text
    changed = {row_id for row_id, name in wanted.items() if before[row_id]["name"] != name}
    after = {row_id: row_of(sql, row_id) for row_id in dancers}
    assert {row_id: row["name"] for row_id, row in after.items()} == wanted
    assert {row_id for row_id in dancers if after[row_id]["generation"] != before[row_id]["generation"]} == changed
    assert all(after[row_id]["generation"] == before[row_id]["generation"] + 1 for row_id in changed)
    assert all(row["committed_name"] is None for row in after.values())
    written = run(
        sql, "SELECT row_id, before ->> 'name', after ->> 'name' FROM app_config_history WHERE id > :l", l=last
    )
    expected = sorted((row_id, before[row_id]["name"], wanted[row_id]) for row_id in changed)
    assert sorted(map(tuple, written)) == expected


def test_a_batch_gives_a_name_on_to_a_new_row_and_takes_that_of_a_deleted_one(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    gone, moved = new("chain-gone"), new("chain-moved")
    config = {"name": "chain-moved", "repository_url": URL, "environment": "dev"}
    items: list[Row] = [
        {"action": "create", "config": config},
        {"action": "update", "id": moved["id"], "config": {"name": "chain-gone"}},
        {"action": "delete", "id": gone["id"]},
    ]
    answer = crud.post("/appconfigs:batch", json={"items": items}).json()["items"]
    assert [row and row["name"] for row in answer] == ["chain-moved", "chain-gone", None]


def test_a_temporary_name_is_never_committed(migrated_url: str, sql: sa.Connection, new: Callable[..., Row]) -> None:
    row = new("never-temporary")
    with pytest.raises(sa.exc.DBAPIError, match="still has a temporary name"):
        together(migrated_url, RENAMING, TEMPORARY, id=row["id"])
    assert row_of(sql, row["id"])["name"] == "never-temporary"


def test_a_temporary_name_given_back_is_no_change(
    migrated_url: str, sql: sa.Connection, new: Callable[..., Row]
) -> None:
    row = new("there-and-back")
    back = "UPDATE app_configs SET name = 'there-and-back' WHERE id = :id"
    together(migrated_url, RENAMING, TEMPORARY, DONE, back, id=row["id"])
    assert (row_of(sql, row["id"])["generation"], row_of(sql, row["id"])["committed_name"]) == (1, None)


def test_only_names_are_temporary(migrated_url: str, new: Callable[..., Row]) -> None:
    row = new("only-names")
    branch = "UPDATE app_configs SET branch = 'x' WHERE id = :id"
    with pytest.raises(sa.exc.DBAPIError, match="only names change"):
        together(migrated_url, RENAMING, branch, id=row["id"])
    with pytest.raises(sa.exc.DBAPIError, match="has a temporary name"):
        together(migrated_url, RENAMING, TEMPORARY, DONE, branch, id=row["id"])


def test_a_row_with_a_temporary_name_is_deleted_under_its_own(
    migrated_url: str, sql: sa.Connection, new: Callable[..., Row]
) -> None:
    row = new("deleted-under-way")
    together(migrated_url, RENAMING, TEMPORARY, DONE, "DELETE FROM app_configs WHERE id = :id", id=row["id"])
    gone = run(sql, "SELECT name FROM app_config_deletions WHERE id = :id", id=row["id"]).scalar_one()
    assert gone == "deleted-under-way"


def test_the_committed_name_is_nobodys_to_set(sql: sa.Connection, new: Callable[..., Row]) -> None:
    row = new("not-to-set")
    run(sql, "UPDATE app_configs SET branch = 'x', committed_name = 'forged' WHERE id = :id", id=row["id"])
    assert row_of(sql, row["id"])["committed_name"] is None


# Persons.


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Beyond are variation selectors, which the database takes for unprintable and Python doesn't, and private use.
@given(
    who=st.text(
        st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\0", max_codepoint=0xE00FF), max_size=250
    )
)
def test_whoever_sql_names_is_kept_as_one_printable_line(sql: sa.Connection, who: str) -> None:
    run(sql, "SELECT set_config('rowcast.actor', :who, false)", who=who)
    kept = run(sql, "SELECT public.rowcast_actor()").scalar_one()
    run(sql, "RESET rowcast.actor")
    assert 1 <= len(kept) <= 200
    assert kept.isprintable(), repr(kept)
    assert not who or not who.isprintable() or kept == who[:200]


@pytest.mark.parametrize("who", ["eve\u2028Rowcast-Row: 42@7 deleted", "a\nb", "\u202eeve", "x" * 300, "\x85"])
def test_a_row_and_its_history_name_the_cleaned_person(migrated_url: str, sql: sa.Connection, who: str) -> None:
    name = f"by-{uuid.uuid4().hex[:8]}"
    with transaction(migrated_url) as connection:
        run(connection, "SELECT set_config('rowcast.actor', :who, true)", who=who)
        row_id = run(connection, f"{INSERT} VALUES ('{name}', '{URL}', 'dev') RETURNING id").scalar_one()
    kept = row_of(sql, row_id)["updated_by"]
    assert kept.isprintable()
    history = run(sql, "SELECT changed_by FROM app_config_history WHERE row_id = :id", id=row_id).scalars().all()
    assert history == [kept]


def change(url: str, row_id: int, **settings_: str) -> None:
    with transaction(url) as connection:
        for name, value in settings_.items():
            run(connection, "SELECT set_config('rowcast.' || :name, :value, true)", name=name, value=value)
        run(connection, "UPDATE app_configs SET branch = :b WHERE id = :id", b=uuid.uuid4().hex, id=row_id)


@pytest.mark.parametrize(
    ("given_settings", "verified"),
    [
        ({}, False),
        ({"actor": "ada"}, False),
        ({"actor": "ada", "actor_verified": "on"}, True),
        ({"actor": "ada", "actor_verified": "off"}, False),
        ({"actor": "ada", "actor_verified": "true"}, False),
        ({"actor_verified": "on"}, False),
        ({"actor": "ada\u2028", "actor_verified": "on"}, False),
    ],
)
def test_a_person_is_verified_only_where_that_is_said_of_that_very_person(
    migrated_url: str, sql: sa.Connection, new: Callable[..., Row], given_settings: dict[str, str], verified: bool
) -> None:
    row = new(f"verified-{uuid.uuid4().hex[:8]}")

    change(migrated_url, row["id"], **given_settings)

    assert row_of(sql, row["id"])["updated_by_verified"] is verified
    newest = "SELECT changed_by_verified FROM app_config_history WHERE row_id = :id ORDER BY id DESC LIMIT 1"
    assert run(sql, newest, id=row["id"]).scalar_one() is verified
    change(migrated_url, row["id"])
    assert row_of(sql, row["id"])["updated_by_verified"] is False


def test_who_only_writes_rows_verifies_nobody(migrated_url: str, sql: sa.Connection, new: Callable[..., Row]) -> None:
    row = new("by-a-writer")
    role = f"writer_{uuid.uuid4().hex[:8]}"
    run(sql, f"CREATE ROLE {role} LOGIN PASSWORD 'w'")
    run(sql, f"GRANT SELECT, INSERT, UPDATE, DELETE ON app_configs TO {role}")
    try:
        url = make_url(migrated_url).set(username=role, password="w").render_as_string(hide_password=False)
        change(url, row["id"], actor="ada", actor_verified="on", approved_by="eve")
        inserted = f"{INSERT} VALUES ('by-a-writer-too', '{URL}', 'dev')"
        together(url, inserted, "DELETE FROM app_configs WHERE name = 'by-a-writer-too'")
        assert (row_of(sql, row["id"])["updated_by"], row_of(sql, row["id"])["updated_by_verified"]) == ("ada", False)
        approver = "SELECT approved_by FROM rowcast.rows WHERE renderer = 'appconfigs' AND key = :key"
        assert run(sql, approver, key=str(row["id"])).scalar_one() is None
    finally:
        run(sql, f"DROP OWNED BY {role}")
        run(sql, f"DROP ROLE {role}")


# The version before.


def test_rows_of_the_version_before_are_kept_and_go_on(migrated_url: str, empty: str) -> None:
    url = make_url(migrated_url).set(database=empty).render_as_string(hide_password=False)
    insert = f"{INSERT} VALUES ('before-{{}}', '{URL}', 'dev')"
    with transaction(url) as connection:
        to_level(connection, "0006")
        run(connection, "SELECT set_config('rowcast.actor', :who, true)", who="eve\u2028")
        run(connection, insert.format(1))
        run(connection, insert.format(2))
    migrate(make_settings(url))

    together(url, "UPDATE app_configs SET branch = branch", "UPDATE app_configs SET branch = 'b' WHERE id = 1")
    with transaction(url) as connection:
        run(connection, "DELETE FROM app_configs WHERE id = 2")
        rows = run(connection, "SELECT id, generation, updated_by_verified FROM app_configs").all()
        assert rows == [(1, 2, False)]
        assert run(connection, f"{insert.format(3)} RETURNING id").scalar_one() == 3


def test_the_schema_goes_back_to_the_version_before(migrated_url: str, empty: str) -> None:
    url = make_url(migrated_url).set(database=empty).render_as_string(hide_password=False)
    with transaction(url) as connection:
        to_level(connection, "0006")
        before = run(connection, CATALOGUE).all()
        to_level(connection, "0007")
        to_level(connection, "-1")
        assert run(connection, CATALOGUE).all() == before
    migrate(make_settings(url))


CATALOGUE = """
SELECT 'function' AS kind, proname AS name, prosrc AS text FROM pg_proc WHERE proname LIKE 'rowcast%'
UNION ALL SELECT 'trigger', tgname, concat(pg_get_triggerdef(oid), tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = to_regclass('app_configs')
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'column', table_name || column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public'
ORDER BY 1, 2, 3
"""


def to_level(connection: sa.Connection, level: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    (command.downgrade if level == "-1" else command.upgrade)(config, level)


# Dumps.


@pytest.fixture
def dump(postgres_binaries: Path, migrated_url: str) -> Callable[..., str]:
    def program(name: str, *arguments: str, text: str = "", database: str = "") -> str:
        url = make_url(migrated_url)
        environment = {**os.environ, "PGPASSWORD": url.password or ""}
        where = ("-h", url.host or "", "-p", str(url.port), "-U", url.username or "", "-d", database or url.database)
        command = [str(postgres_binaries / name), *map(str, where), *arguments]
        done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return program


@pytest.fixture
def empty(sql: sa.Connection) -> Iterator[str]:
    name = f"restored_{uuid.uuid4().hex[:8]}"
    run(sql, f"CREATE DATABASE {name}")
    yield name
    run(sql, f"DROP DATABASE {name} WITH (FORCE)")


EVERYTHING = "SELECT jsonb_agg(to_jsonb(row) ORDER BY id) FROM app_configs AS row"
HISTORY = "SELECT jsonb_agg(to_jsonb(row) ORDER BY id) FROM app_config_history AS row"


def test_data_that_would_begin_anew_at_generation_one_is_not_restored(
    new: Callable[..., Row], migrated_url: str, dump: Callable[..., str], empty: str
) -> None:
    new("not-anew")
    url = make_url(migrated_url).set(database=empty).render_as_string(hide_password=False)
    migrate(make_settings(url))
    data = dump("pg_dump", "--data-only", "-T", "alembic_version", "-T", "rowcast_heartbeat")

    with pytest.raises(AssertionError, match="was used before: ids are used once"):
        dump("psql", "--set=ON_ERROR_STOP=1", "--single-transaction", "-q", text=data, database=empty)


@pytest.mark.parametrize("only", ["all", "data"])
def test_a_dump_is_restored_as_it_was(
    sql: sa.Connection, new: Callable[..., Row], migrated_url: str, dump: Callable[..., str], empty: str, only: str
) -> None:
    row = new(f"dumped-{only}")
    run(sql, "UPDATE app_configs SET branch = 'second' WHERE id = :id", id=row["id"])
    url = make_url(migrated_url).set(database=empty).render_as_string(hide_password=False)
    stop = "--set=ON_ERROR_STOP=1"
    if only == "all":
        dump("psql", stop, "-q", text=dump("pg_dump"), database=empty)
    else:
        migrate(make_settings(url))
        skip = ("-T", "alembic_version", "-T", "rowcast_heartbeat")
        dump("psql", stop, "-q", text=dump("pg_dump", "--data-only", "--disable-triggers", *skip), database=empty)
        migrate(make_settings(url))  # ENABLE TRIGGER ALL, at the dump's end, makes them fire for origin only

    with transaction(url) as restored:
        assert run(restored, EVERYTHING).scalar_one() == run(sql, EVERYTHING).scalar_one()
        assert run(restored, HISTORY).scalar_one() == run(sql, HISTORY).scalar_one()
    with transaction(url) as restored:
        run(restored, "SET LOCAL session_replication_role = replica")
        run(restored, "UPDATE app_configs SET branch = 'third' WHERE id = :id", id=row["id"])
        assert row_of(restored, row["id"])["generation"] == 3
        latest = run(restored, f"{INSERT} VALUES ('fresh', '{URL}', 'dev') RETURNING id").scalar_one()
        assert latest > row["id"]
