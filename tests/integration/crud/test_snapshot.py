"""The table at one moment, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import sqlalchemy as sa

from rowcast.sync.table.visibility import visibility


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_snapshot_has_every_row_in_the_order_of_ids_between_its_moment_and_its_end(
    crud: httpx.Client, sql: sa.Connection, new: Callable[..., dict[str, Any]]
) -> None:
    sql.execute(
        sa.text(
            "INSERT INTO app_configs (name, repository_url, branch, environment)"
            " SELECT 'snap-' || n, 'https://git.example/x.git', 'main', 'dev' FROM generate_series(1, 2500) AS n"
        )
    )
    last = new("snap-last")

    moment, *rows, end = lines(crud.get("/appconfigs:snapshot"))

    count = sql.execute(sa.text("SELECT count(*) FROM app_configs")).scalar_one()
    assert (moment["rows"], end) == (count, {"end": True, "rows": count})
    assert len(rows) == count
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))
    assert rows[-1] == last
    now = sql.execute(sa.text("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")).scalar_one()
    assert 0 < moment["lsn"] <= now


def test_a_snapshot_tells_which_transactions_it_sees(crud: httpx.Client, migrated_url: str) -> None:
    engine = sa.create_engine(migrated_url)
    insert = sa.text(
        "INSERT INTO app_configs (name, repository_url, branch, environment)"
        " VALUES ('snap-open', 'https://git.example/x.git', 'main', 'dev') RETURNING pg_current_xact_id()::text"
    )
    with engine.begin() as connection:
        transaction = int(connection.execute(insert).scalar_one())
        before = visibility(lines(crud.get("/appconfigs:snapshot"))[0]["visible"])
    after = visibility(lines(crud.get("/appconfigs:snapshot"))[0]["visible"])

    engine.dispose()
    assert (before.sees(transaction), after.sees(transaction)) == (False, True)


def test_a_snapshot_of_some_rows_leaves_out_those_that_are_gone(
    crud: httpx.Client, new: Callable[..., dict[str, Any]]
) -> None:
    row, gone = new("snap-here"), new("snap-gone")
    crud.delete(f"/appconfigs/{gone['id']}")

    moment, *rows, end = lines(crud.get("/appconfigs:snapshot", params={"id": [row["id"], gone["id"]]}))

    assert rows == [row]
    assert (moment["rows"], end["rows"]) == (1, 1)


def test_a_snapshot_is_of_one_moment_though_rows_change_while_it_is_read(
    crud: httpx.Client, sql: sa.Connection, new: Callable[..., dict[str, Any]]
) -> None:
    row = new("snap-moment")
    with crud.stream("GET", "/appconfigs:snapshot") as answer:
        parts = answer.iter_lines()
        moment = json.loads(next(parts))
        sql.execute(sa.text("UPDATE app_configs SET branch = 'later' WHERE id = :id"), {"id": row["id"]})
        *rows, end = [json.loads(line) for line in parts]

    assert end["rows"] == moment["rows"] == len(rows)
    assert next(one for one in rows if one["id"] == row["id"])["branch"] == "main"


def test_a_snapshot_that_is_abandoned_gives_its_connection_back(crud: httpx.Client) -> None:
    for _ in range(30):  # more than the pool has
        with crud.stream("GET", "/appconfigs:snapshot") as answer:
            next(answer.iter_lines())

    assert crud.get("/appconfigs", params={"limit": 1}).status_code == 200


def test_more_ids_than_fit_are_refused(crud: httpx.Client) -> None:
    assert crud.get("/appconfigs:snapshot", params={"id": list(range(1, 202))}).status_code == 422
