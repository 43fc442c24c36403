"""Nobody who waits, or lets others wait, takes the service away from everybody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from .serving import make_settings, serving

POOL = {"database_pool_size": 4, "database_pool_overflow": 4}
QUARTER = 2
OTHERS = ("/appconfigs?limit=1", "/activity?limit=1", "/readyz")


@pytest.fixture(scope="module", autouse=True)
def many(sql: sa.Connection) -> None:
    """More than the buffers between crud and its reader hold."""
    sql.execute(
        sa.text(
            "INSERT INTO app_configs (name, repository_url, branch, environment) SELECT 'many-' || n,"
            " 'https://git.example/' || repeat('x', 2000), 'main', 'dev' FROM generate_series(1, 10000) AS n"
        )
    )


@contextmanager
def reader_who_never_reads(crud: httpx.Client, path: str) -> Iterator[socket.socket]:
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((crud.base_url.host, crud.base_url.port))
        reader.sendall(f"GET {path} HTTP/1.1\r\nhost: {crud.base_url.host}\r\n\r\n".encode())
        yield reader


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def open_streams(sql: sa.Connection) -> int:
    """Transactions that read by a cursor: crud has others of its own, now and then."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rowcast-crud' AND xact_start IS NOT NULL"
        " AND datname = current_database() AND query ~ '^(DECLARE|FETCH)'"
    )
    count: int = sql.execute(sa.text(query)).scalar_one()
    return count


@pytest.mark.parametrize("path", ["/appconfigs:export", "/appconfigs:snapshot"])
def test_readers_who_never_read_take_nothing_from_others(migrated_url: str, sql: sa.Connection, path: str) -> None:
    with serving(make_settings(migrated_url, **POOL)) as crud, ExitStack() as readers:
        for _ in range(20):
            readers.enter_context(reader_who_never_reads(crud, path))
        until(lambda: open_streams(sql) == QUARTER)

        surplus = crud.get(path)
        assert (surplus.status_code, surplus.headers["content-type"]) == (503, "application/problem+json")
        assert int(surplus.headers["retry-after"]) > 0
        for other in OTHERS:
            assert crud.get(other).status_code == 200
        assert crud.patch("/appconfigs/1", json={"branch": "next"}).status_code == 200


def test_exports_take_no_snapshot_from_sync(migrated_url: str, sql: sa.Connection) -> None:
    with serving(make_settings(migrated_url, **POOL)) as crud, ExitStack() as readers:
        for _ in range(20):
            readers.enter_context(reader_who_never_reads(crud, "/appconfigs:export"))
        until(lambda: open_streams(sql) == QUARTER)

        assert crud.get("/appconfigs:snapshot").text.endswith('{"end":true,"rows":10000}\n')


def test_rows_are_read_by_id_however_many_read_the_whole_table(migrated_url: str, sql: sa.Connection) -> None:
    with serving(make_settings(migrated_url, **POOL)) as crud, ExitStack() as readers:
        for _ in range(20):
            readers.enter_context(reader_who_never_reads(crud, "/appconfigs:snapshot"))
        until(lambda: open_streams(sql) == QUARTER)

        assert crud.get("/appconfigs:snapshot?id=1&id=2").text.endswith('{"end":true,"rows":2}\n')


@pytest.mark.parametrize("path", ["/appconfigs:export", "/appconfigs:snapshot"])
@pytest.mark.parametrize("limit", [{"stream_stall_seconds": 0.3}, {"stream_seconds": 0.3}])
def test_a_reader_who_does_not_read_is_cut_off_and_can_tell(
    migrated_url: str, sql: sa.Connection, path: str, limit: dict[str, float]
) -> None:
    settings = make_settings(migrated_url, **POOL, **limit)
    with serving(settings) as crud, reader_who_never_reads(crud, path) as reader:
        until(lambda: open_streams(sql) == 1)
        until(lambda: open_streams(sql) == 0)

        end = b""
        while piece := reader.recv(1 << 20):
            end = (end + piece)[-10:]
        assert not end.endswith(b"0\r\n\r\n")  # the last chunk of RFC 9112, section 7.1
    assert open_streams(sql) == 0


@contextmanager
def locked(migrated_url: str, row_id: int) -> Iterator[sa.Connection]:
    """Somebody has the row in an open transaction, as in psql."""
    engine = sa.create_engine(migrated_url)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT FROM app_configs WHERE id = :id FOR UPDATE"), {"id": row_id})
        yield connection
    engine.dispose()


def changes(crud: httpx.Client, number: int) -> list[httpx.Response]:
    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(lambda n: crud.patch("/appconfigs/1", json={"branch": f"b{n}"}), range(number)))


def test_changes_of_a_locked_row_say_so_and_take_nothing_from_others(migrated_url: str) -> None:
    settings = make_settings(migrated_url, **POOL, database_lock_seconds=1, database_pool_wait_seconds=2)
    with serving(settings) as crud, locked(migrated_url, 1):
        answers: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: answers.extend(changes(crud, 60)))
        waiting.start()
        while waiting.is_alive():
            for other in OTHERS:
                assert crud.get(other).status_code == 200
        waiting.join()

    refused = [answer for answer in answers if answer.status_code == 409]
    assert refused
    assert {answer.status_code for answer in answers} == {409, 503}
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
    problem = refused[0].json()
    assert "locked by another transaction" in problem["detail"]
    assert [(error["field"], error["rule"]) for error in problem["errors"]] == [("row", "locked")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/appconfigs/1", {"name": "many-1", "repository_url": "https://h/x", "environment": "dev"}),
        ("DELETE", "/appconfigs/1", None),
        ("POST", "/appconfigs:batch", {"items": [{"action": "delete", "id": 1}]}),
        (
            "POST",
            "/appconfigs:import",
            {"rows": [{"name": "many-1", "repository_url": "https://h/x", "environment": "a"}]},
        ),
    ],
)
def test_every_way_to_change_a_locked_row_is_answered_409(
    migrated_url: str, method: str, path: str, body: dict[str, Any] | None
) -> None:
    settings = make_settings(migrated_url, database_lock_seconds=0.2)
    with serving(settings) as crud, locked(migrated_url, 1):
        answer = crud.request(method, path, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (409, "locked")


def test_a_report_about_what_is_locked_comes_again_and_a_list_of_a_locked_table_is_unavailable(
    migrated_url: str,
) -> None:
    settings = make_settings(migrated_url, database_lock_seconds=0.2)
    engine = sa.create_engine(migrated_url)
    with serving(settings) as crud, engine.connect() as connection:
        connection.execute(sa.text("LOCK TABLE app_configs, sync_statuses IN ACCESS EXCLUSIVE MODE"))
        status = {"row_id": 1, "generation": 1, "outcome": "created", "delivered_at": "2026-01-01T00:00:00Z"}
        event = {"data": {"target": "k8s", "statuses": [status]}}
        assert crud.post("/events/sync-status", json=event).status_code == 503
        answer = crud.get("/appconfigs")
        assert (answer.status_code, "locked" in answer.json()["detail"]) == (503, True)
    engine.dispose()
