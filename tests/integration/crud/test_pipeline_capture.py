"""`GET /pipeline` and the metrics where `rowcast capture` captures: crud, its database and the way there are real.

In the sidecar's place is an application that answers as the sidecar, capture and the syncs do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from rowcast.capture.broker_facts import RememberedFacts
from rowcast.core.broker import subscriptions

from .serving import make_settings, serving, serving_app
from .test_pipeline import metrics, slot, stations
from .test_sync_status import report, status

CHANGES = "rowcast.public.app_configs"


def _ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def _topics() -> list[dict[str, Any]]:
    topics: dict[str, dict[str, Any]] = {}
    for one in subscriptions("rowcast", ["k8s", "git"]):
        empty = {
            "name": one.topic,
            "messages": 3,
            "bytes": None,
            "oldest_at": _ago(60),
            "retention_seconds": 604800.0,
            "groups": [],
        }
        topic = topics.setdefault(one.topic, empty)
        topic["groups"].append({"name": one.app_id, "lag": 0, "unanswered": 0, "consumers": 1})
    return list(topics.values())


CAPTURE: dict[str, Any] = {
    "engine": "3.6.3.Final",
    "state": "RUNNING",
    "error": None,
    "offsets_known": True,
    "lsn": 1,
    "snapshot": False,
    "published": 3,
    "last_published_at": None,
    "waiting_since": None,
    "broker": {"error": None, "kind": "redis", "version": "6.2.14"},
}
SYNC: dict[str, Any] = {
    "not_ready": None,
    "target_error": None,
    "sidecar_error": None,
    "in_flight": {"batches": 0, "events": 0, "since": None},
    "retrying": {"rows": 0, "since": None, "error": None},
    "events": 3,
    "last_event": None,
    "last_error": None,
    "last_bug_at": None,
    "topic_recreated_at": None,
    "late_seconds": 5.0,
    "reconcile": {"period_seconds": 300.0, "drift": "correct", "current": None, "last": None},
}


class Others:
    """What the other applications answer; a test changes it."""

    def __init__(self) -> None:
        self.capture: Any = deepcopy(CAPTURE)
        self.capture["broker"]["topics"] = _topics()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1.0/healthz", status_code=204)
        async def healthz() -> None:
            pass

        @app.get("/facts")
        async def facts(request: Request) -> Response:
            app_id = request.headers["dapr-app-id"]
            if app_id == "capture":
                return JSONResponse(self.capture, 500 if self.capture is None else 200)
            return JSONResponse({**SYNC, "target": app_id.removeprefix("sync-")})

        return app


@pytest.fixture
def others() -> Others:
    return Others()


@pytest.fixture
def crud(migrated_url: str, others: Others) -> Iterator[httpx.Client]:
    with serving_app(others.app()) as sidecar:
        own = {"capture": "engine", "broker": "redis", "dapr_http_port": sidecar.base_url.port}
        with serving(make_settings(migrated_url, **own)) as client:
            yield client


@contextmanager
def everything_is_published(sql: sa.Connection) -> Iterator[None]:
    """The slot has confirmed all that was written until ten seconds from now."""
    with slot(sql):
        sql.execute(sa.text("ALTER TABLE rowcast_heartbeat DISABLE TRIGGER rowcast_heartbeat_mark"))
        mark = "UPDATE rowcast_heartbeat SET beat_at = now(), marked_lsn = '0/1', marked_at = now() + interval '10 s'"
        sql.execute(sa.text(mark))
        sql.execute(sa.text("ALTER TABLE rowcast_heartbeat ENABLE ALWAYS TRIGGER rowcast_heartbeat_mark"))
        yield
    sql.execute(sa.text("UPDATE rowcast_heartbeat SET marked_lsn = NULL, marked_at = NULL"))


def test_the_way_has_the_stations_that_are_there_and_no_other(crud: httpx.Client) -> None:
    names = list(stations(crud))

    assert names[3:7] == ["slot", "capture", "broker", "sidecar"]
    assert not {"connect", "connector"} & set(names)


def test_capture_and_broker_tell_their_figures_and_null_is_what_the_broker_does_not_tell(crud: httpx.Client) -> None:
    found = stations(crud)

    assert (found["capture"]["state"], found["broker"]["state"]) == ("ok", "ok")
    assert (found["capture"]["facts"]["published"], found["capture"]["facts"]["version"]) == (3, "3.6.3.Final")
    assert (found["broker"]["title"], found["broker"]["facts"]["version"]) == ("Redis Streams", "6.2.14")
    topic = next(one for one in found["broker"]["facts"]["topics"] if one["name"] == CHANGES)
    assert (topic["messages"], topic["bytes"]) == (3, None)
    assert topic["groups"][1] == {"name": "sync-git", "lag": 0, "unanswered": 0, "consumers": 1}


def test_prometheus_gets_what_the_broker_tells_and_no_series_for_the_rest(crud: httpx.Client, others: Others) -> None:
    others.capture["waiting_since"] = "2026-01-02T00:00:00+00:00"
    measured = metrics(crud)

    assert measured["rowcast_capture_running"] == 1
    assert measured["rowcast_capture_waiting_since_timestamp_seconds"] == 1767312000
    assert measured[f'rowcast_broker_group_lag{{group="sync-git",topic="{CHANGES}"}}'] == 0
    assert measured[f'rowcast_broker_messages{{topic="{CHANGES}"}}'] == 3
    assert not any(series.startswith(("rowcast_broker_bytes", "rowcast_connector")) for series in measured)


def test_a_capture_that_does_not_answer_is_down_and_the_broker_is_not_known(crud: httpx.Client, others: Others) -> None:
    others.capture = None
    found = stations(crud)

    assert (found["capture"]["state"], found["broker"]["state"]) == ("down", "unknown")
    assert "500" in found["capture"]["message"]
    assert not any(series.startswith("rowcast_capture") for series in metrics(crud))


@pytest.mark.parametrize("nonsense", [{"state": "WELL"}, {"engine": "3.6"}, [], {**CAPTURE, "broker": None}])
def test_an_answer_that_is_not_captures_is_said_to_be_none(crud: httpx.Client, others: Others, nonsense: Any) -> None:
    others.capture = nonsense

    assert "an answer that isn't capture's" in stations(crud)["capture"]["message"]


def test_a_capture_that_was_not_told_of_its_broker_leaves_it_unknown_and_says_what_to_set(
    crud: httpx.Client, others: Others
) -> None:
    facts = asyncio.run(RememberedFacts(None, "kafka").get())
    others.capture["broker"] = facts
    found = stations(crud)["broker"]

    assert (found["state"], found["configured"]) == ("unknown", False)
    assert "ROWCAST_BROKER_URL" in found["action"]


def test_a_newer_capture_may_tell_more(crud: httpx.Client, others: Others) -> None:
    others.capture["more"] = others.capture["broker"]["more"] = others.capture["broker"]["topics"][0]["more"] = 1

    assert stations(crud)["capture"]["state"] == "ok"


def test_rows_whose_events_were_published_and_never_came_are_named_before_they_are_overdue(
    crud: httpx.Client, others: Others, new: Callable[..., dict[str, Any]], sql: sa.Connection
) -> None:
    sql.execute(sa.text("DELETE FROM app_configs"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))
    rows = {name: new(name)["id"] for name in ("come", "lost", "gone", "gone-and-refused")}
    report(crud, *(status(rows[name], 1) for name in rows))
    report(crud, *(status(rows[name], 1) for name in rows if name != "lost"), target="git")
    for name in ("gone", "gone-and-refused"):
        crud.delete(f"/appconfigs/{rows[name]}")
    report(crud, *(status(rows[name], 1, "deleted", deleted=True) for name in ("gone", "gone-and-refused")))
    report(crud, status(rows["gone-and-refused"], 1, "dead-lettered", deleted=True, error="no"), target="git")

    before = stations(crud)["rows"]
    with everything_is_published(sql):
        found = stations(crud)["rows"]
        measured = metrics(crud)
        others.capture["broker"]["topics"][0]["groups"][1]["lag"] = 1
        waiting = stations(crud)["rows"]

    assert (before["state"], before["facts"]["targets"]["git"]["missing"]) == ("ok", None)
    assert (found["state"], found["advice"]) == ("degraded", "missing-events")
    assert f"come through: 2 rows at git; the oldest is appconfigs/{rows['lost']}, for " in found["message"]
    assert "; sync looks for them every 5 s" in found["message"]
    assert (found["facts"]["targets"]["git"]["missing"], found["facts"]["targets"]["k8s"]["missing"]) == (2, 0)
    assert measured['rowcast_missing_events{renderer="appconfigs",target="git"}'] == 2
    assert measured['rowcast_missing_events{renderer="appconfigs",target="k8s"}'] == 0
    assert (waiting["state"], waiting["facts"]["targets"]["git"]["missing"]) == ("ok", 0)


def test_what_was_once_seen_to_be_published_stays_known_while_the_next_mark_is_not_confirmed(
    crud: httpx.Client, new: Callable[..., dict[str, Any]], sql: sa.Connection
) -> None:
    sql.execute(sa.text("DELETE FROM app_configs"))
    sql.execute(sa.text("DELETE FROM app_config_deletions"))
    new("lost")
    with everything_is_published(sql):
        known = stations(crud)["rows"]["facts"]["targets"]["git"]["missing"]
        sql.execute(sa.text("UPDATE rowcast_heartbeat SET beat_at = now()"))
        assert not sql.execute(
            sa.text("SELECT confirmed_flush_lsn >= marked_lsn FROM pg_replication_slots, rowcast_heartbeat")
        ).scalar_one()
        still = stations(crud)["rows"]["facts"]["targets"]["git"]["missing"]

    assert (known, still) == (1, 1)
