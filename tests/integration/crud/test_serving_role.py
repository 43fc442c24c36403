"""crud serves as a role of its own, which can't rewrite the history, nor how the table is kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from rowcast.crud.access.database_roles import RoleError, ensure_role, serving_role
from rowcast.crud.migrations.migrate import migrate

from .serving import make_settings, serving
from .test_dead_letters import kept
from .test_replication_role import owned_database
from .test_sync_status import report, status

Row = dict[str, Any]
URL = "https://git.example/shop.git"


@pytest.fixture(scope="module")
def served(serving_url: str) -> Iterator[httpx.Client]:
    with serving(make_settings(serving_url)) as client:
        yield client


def create(client: httpx.Client, name: str) -> Row:
    body = {"name": name, "repository_url": URL, "environment": "dev"}
    answer = client.post("/appconfigs", json=body, headers={"x-rowcast-user": "ada"})
    assert answer.status_code == 201, answer.text
    row: Row = answer.json()
    return row


def test_all_that_the_api_does_takes_no_more_than_the_serving_role(served: httpx.Client) -> None:
    left, right = create(served, "left"), create(served, "right")
    swap: list[Row] = [
        {"action": "update", "id": left["id"], "config": {"name": "right"}},
        {"action": "update", "id": right["id"], "config": {"name": "left"}},
        {"action": "create", "config": {"name": "third", "repository_url": URL, "environment": "dev"}},
    ]
    assert served.post("/appconfigs:batch", json={"items": swap}).status_code == 200
    assert served.patch(f"/appconfigs/{left['id']}", json={"branch": "b"}).status_code == 200
    rows = [{"name": name, "repository_url": URL, "environment": "prod"} for name in ("third", "fourth")]
    imported = served.post("/appconfigs:import", json={"rows": rows})
    assert imported.status_code == 200, imported.text
    report(served, status(left["id"], 3), status(right["id"], 2, "dead-lettered", error="no"))
    report(served, status(left["id"], 3), target="git")
    dead = kept(served)
    discarded = served.post(f"/deadletters/{dead['id']}:discard", json={"reason": "tried"})
    assert discarded.status_code == 200, discarded.text
    assert served.delete(f"/appconfigs/{left['id']}").status_code == 204
    for target in ("k8s", "git"):
        report(served, status(left["id"], 4, "deleted", deleted=True), target=target)
    for path in ("/appconfigs", "/appconfigs:snapshot", "/appconfigs:export", "/activity", "/pipeline", "/readyz"):
        assert served.get(path).status_code == 200, path
    for path in ("history", "status"):
        assert served.get(f"/appconfigs/{left['id']}/{path}").status_code == 200
    assert served.get("/appconfigs", params={"state": "deleting"}).json()["total"] == 0
    assert served.get("/appconfigs/999999/history").status_code == 404


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app_config_history SET changed_by = 'eve'",
        "DELETE FROM app_config_history",
        "INSERT INTO app_config_history (row_id, change, generation, changed_by) VALUES (1, 'created', 1, 'eve')",
        "TRUNCATE app_config_history",
        "TRUNCATE app_configs",
        "UPDATE app_configs SET generation = 99",
        "UPDATE app_configs SET id = id",
        "UPDATE app_configs SET committed_name = name",
        "INSERT INTO app_configs (id, name, repository_url, environment) OVERRIDING SYSTEM VALUE"
        " VALUES (7, 'x', 'https://x/y', 'dev')",
        "SELECT setval('app_configs_id_seq', 1)",
        "SELECT rowcast_use_id(1)",
        "ALTER TABLE app_configs DISABLE TRIGGER ALL",
        "ALTER TABLE app_configs REPLICA IDENTITY DEFAULT",
        "ALTER TABLE app_configs ADD COLUMN mine text",
        "ALTER PUBLICATION rowcast DROP TABLE app_configs",
        "DROP TABLE dead_letters",
        "CREATE TABLE mine ()",
        "CREATE OR REPLACE FUNCTION public.rowcast_actor() RETURNS text LANGUAGE sql AS $$ SELECT 'eve' $$",
        "CREATE ROLE mine",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
        "SELECT pg_create_logical_replication_slot('mine', 'test_decoding')",
        "UPDATE rowcast_heartbeat SET beat_at = now()",
        "UPDATE alembic_version SET version_num = '0001'",
        "UPDATE rowcast.rows SET revision = 1",
        "SELECT rowcast.write_configurations('{1}')",
        "SELECT rowcast.release_configurations()",
        "UPDATE rowcast.sources SET revision = 1",
        "INSERT INTO rowcast.renderers VALUES ('x', 1, '', '{}', '', '')",
        "UPDATE rowcast.rollout_rows SET revision = 1",
        "DELETE FROM rowcast.rollouts",
        "DELETE FROM sync_statuses",
        "DELETE FROM dead_letters",
        "COPY app_configs TO PROGRAM 'true'",
    ],
)
def test_the_serving_role_can_do_nothing_else(serving_url: str, statement: str) -> None:
    engine = sa.create_engine(serving_url, poolclass=sa.NullPool)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
        connection.execute(sa.text(statement))
    cause: Any = caught.value.orig
    assert cause.pgcode in ("42501", "428C9"), cause


def test_the_person_that_crud_vouches_for_is_verified_and_the_login_is_not_shown(
    serving_url: str, sql: sa.Connection
) -> None:
    engine = sa.create_engine(serving_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL rowcast.actor = 'ada'; SET LOCAL rowcast.actor_verified = 'on'"))
        insert = f"INSERT INTO app_configs (name, repository_url, environment) VALUES ('vouched', '{URL}', 'dev')"
        connection.execute(sa.text(insert))
    query = "SELECT updated_by, updated_by_verified FROM app_configs WHERE name = 'vouched'"
    assert tuple(sql.execute(sa.text(query)).one()) == ("ada", True)


def test_the_pipeline_says_when_crud_serves_as_the_owner(served: httpx.Client, crud: httpx.Client) -> None:
    def station(client: httpx.Client) -> Row:
        return next(one for one in client.get("/pipeline").json()["stations"] if one["name"] == "database")

    assert (station(served)["state"], station(served)["facts"]) == (
        "ok",
        {"login": "rowcast_crud", "searches": "by index"},
    )
    owner = station(crud)
    assert (owner["state"], owner["advice"]) == ("degraded", "too-many-rights")
    assert "serves as postgres, which is a superuser" in owner["message"]


def test_the_serving_role_is_told_that_it_cannot_migrate(serving_url: str) -> None:
    with pytest.raises(RoleError, match="rowcast_crud can't migrate: the tables are postgres's"):
        migrate(make_settings(serving_url))


def test_an_owner_migrates_by_a_url_of_its_own(sql: sa.Connection, database_url: str) -> None:
    with owned_database(sql, database_url, "CREATEROLE REPLICATION") as owner:
        role = f"serving_{uuid.uuid4().hex[:8]}"
        url = make_url(owner).set(username=role, password="s").render_as_string(hide_password=False)
        settings = make_settings(url, owner_url=owner, serving_role=role, serving_password="s")
        migrate(settings)
        with serving(settings) as client:
            assert client.get("/readyz").status_code == 200, client.get("/readyz").text
            assert create(client, "by-its-own-role")["generation"] == 1
        migrate(settings)
    sql.execute(sa.text(f"DROP ROLE {role}"))


def test_an_owner_that_may_make_no_roles_goes_on_alone_and_says_what_a_dba_should_run(
    sql: sa.Connection, database_url: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with owned_database(sql, database_url, "") as owner:
        migrate(make_settings(owner, serving_role="not_to_be_made"))
        # Where it goes depends on whether a command before has set up logging in this process.
        assert "CREATE ROLE not_to_be_made LOGIN NOINHERIT;" in caplog.text + capsys.readouterr().out
        with pytest.raises(RoleError, match="CREATE ROLE not_to_be_made LOGIN NOINHERIT PASSWORD"):
            migrate(make_settings(owner, serving_role="not_to_be_made", serving_password="x"))
        with serving(make_settings(owner)) as client:
            assert client.get("/readyz").status_code == 200
            (found,) = [one for one in client.get("/pipeline").json()["stations"] if one["name"] == "database"]
        assert "owns the table, may write the history" in found["message"]


def test_rights_that_somebody_added_are_taken_back_at_the_next_migration(
    migrated_url: str, serving_url: str, sql: sa.Connection
) -> None:
    sql.execute(sa.text("GRANT DELETE ON app_config_history TO rowcast_crud"))
    engine = sa.create_engine(migrated_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        ensure_role(connection, serving_role("rowcast_crud"), SecretStr("serve"))
    query = "SELECT has_table_privilege('rowcast_crud', 'app_config_history', 'DELETE')"
    assert sql.execute(sa.text(query)).scalar_one() is False


def test_rows_of_sql_and_of_the_api_share_one_history(
    served: httpx.Client, sql: sa.Connection, new: Callable[..., Row]
) -> None:
    row = new("shared-history")
    sql.execute(sa.text("UPDATE app_configs SET branch = 'sql' WHERE id = :id"), {"id": row["id"]})
    served.patch(f"/appconfigs/{row['id']}", json={"branch": "api"}, headers={"x-rowcast-user": "ada"})
    items = served.get(f"/appconfigs/{row['id']}/history").json()["items"]
    assert [item["changed_by"] for item in items] == ["ada", "postgres", "anonymous"]
