from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from rowcast.core.errors import TransientError
from rowcast.crud.migrations.migrate import migrate

from .serving import make_settings, serving


@contextmanager
def outage(migrated_url: str) -> Iterator[None]:
    """The database accepts nobody, and has thrown out whoever was connected."""
    url = make_url(migrated_url)
    admin = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(sa.text(kill), {"name": url.database})
        try:
            yield
        finally:
            connection.execute(sa.text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))
    admin.dispose()


def test_an_outage_is_answered_503_and_passes(
    crud: httpx.Client, new: Callable[..., dict[str, Any]], migrated_url: str
) -> None:
    row = new("before")
    with outage(migrated_url):
        for request in (crud.get("/appconfigs"), crud.delete(f"/appconfigs/{row['id']}")):
            assert request.status_code == 503
            assert request.headers["retry-after"] == "1"
            assert "Traceback" not in request.text
        event = {"data": {"target": "k8s", "statuses": [status(row["id"])]}}
        assert crud.post("/events/sync-status", json=event).status_code == 503
        assert set(crud.get("/readyz").json()["failures"]) == {"database", "migrations"}
        assert crud.get("/healthz").status_code == 200
    assert crud.get(f"/appconfigs/{row['id']}").json() == row
    assert crud.get("/readyz").status_code == 200


def test_connections_that_died_unnoticed_fail_no_request(crud: httpx.Client, sql: sa.Connection) -> None:
    assert crud.get("/appconfigs").status_code == 200
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rowcast-crud'"
    assert sql.execute(sa.text(kill)).scalars().all()
    assert crud.get("/appconfigs").status_code == 200


def status(row_id: int) -> dict[str, Any]:
    return {"row_id": row_id, "generation": 1, "outcome": "created", "delivered_at": "2026-01-01T00:00:00Z"}


def test_a_database_that_is_not_migrated_is_not_ready(database_url: str) -> None:
    empty = make_url(database_url).set(database="template1").render_as_string(hide_password=False)
    with serving(make_settings(empty)) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert set(ready.json()["failures"]) == {"migrations"}
        assert client.get("/appconfigs").status_code == 503


def test_migrating_a_database_that_is_not_there_fails_as_transient() -> None:
    with pytest.raises(TransientError):
        migrate(make_settings("postgresql://nobody@127.0.0.1:1/none"))


def test_migrating_twice_changes_nothing(migrated_url: str, sql: sa.Connection) -> None:
    before = sql.execute(sa.text("SELECT xmin FROM alembic_version")).scalar_one()
    migrate(make_settings(migrated_url))
    assert sql.execute(sa.text("SELECT xmin FROM alembic_version")).scalar_one() == before


def test_only_the_sidecar_gets_in_when_there_is_a_token(migrated_url: str) -> None:
    with serving(make_settings(migrated_url, app_api_token="secret")) as client:
        assert client.get("/appconfigs").status_code == 401
        assert client.get("/appconfigs", headers={"dapr-api-token": "wrong"}).status_code == 401
        assert client.get("/appconfigs", headers={"dapr-api-token": "secret"}).status_code == 200
        assert client.get("/readyz").status_code == 200


def test_a_body_that_is_too_large_is_refused(migrated_url: str) -> None:
    with serving(make_settings(migrated_url, max_body_bytes=1000)) as client:
        for body in (b"x" * 1001, (b"x" * 100 for _ in range(11))):
            response = client.post("/appconfigs", content=body, headers={"content-type": "application/json"})
            assert (response.status_code, response.json()["status"]) == (413, 413)
