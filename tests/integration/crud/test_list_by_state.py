"""The list's filter by state, over all targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from rowcast.crud.deliveries import outstanding

from .test_sync_status import LATE, report, status

Row = dict[str, Any]


def names(crud: httpx.Client, state: str, **params: Any) -> list[str]:
    answer = crud.get("/appconfigs", params={"state": state, "sort": "name", **params})
    assert answer.status_code == 200, answer.text
    found = [row["name"] for row in answer.json()["items"]]
    assert answer.json()["total"] == len(found)
    return found


@pytest.fixture(scope="module", autouse=True)
def rows(crud: httpx.Client) -> dict[str, Row]:
    """By name: what has been reported of each is in its name."""
    said = ["nothing", "one", "both", "failed-and-pending", "failed-and-synced", "failed-before", "behind", "replayed"]
    made = {}
    for name in said:
        config = {"name": name, "repository_url": "https://git.example/a.git", "environment": "dev"}
        made[name] = crud.post("/appconfigs", json=config).json()
    made = {name: row["id"] for name, row in made.items()}
    k8s = ("one", "both", "failed-and-synced", "behind", "replayed")
    report(crud, *(status(made[name], 1) for name in (*k8s[:2], *k8s[3:])))
    report(crud, *(status(made[name], 1) for name in ("both", "failed-and-synced", "behind")), target="git")
    refused = ("failed-and-pending", "failed-and-synced", "failed-before")
    report(crud, *(status(made[name], 1, "dead-lettered", error="refused") for name in refused))
    report(crud, status(made["replayed"], 1, "dead-lettered", error="refused"), target="git")
    report(crud, status(made["replayed"], 1, "created", delivered_at=LATE), target="git")
    for name in ("failed-before", "behind"):
        crud.patch(f"/appconfigs/{made[name]}", json={"branch": "next"})
    return made


@pytest.fixture(
    params=[(outstanding.FEW, outstanding.SOME), (0, outstanding.SOME), (0, 0)],
    ids=["few wait", "many wait", "very many wait"],
    autouse=True,
)
def waiting(request: pytest.FixtureRequest, sql: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rows wait decides how a list looks for them, and nothing of what it shows; what is settled has left."""
    outstanding.settle(sql.engine, ("k8s", "git"))
    few, some = request.param
    monkeypatch.setattr(outstanding, "FEW", few)
    monkeypatch.setattr(outstanding, "SOME", some)


def test_a_row_is_synced_where_every_target_is(crud: httpx.Client) -> None:
    assert names(crud, "synced") == ["both", "replayed"]


def test_a_row_is_failed_where_any_target_is(crud: httpx.Client) -> None:
    assert names(crud, "failed") == ["failed-and-pending", "failed-and-synced"]


def test_a_row_is_pending_where_any_target_is_and_none_failed(crud: httpx.Client) -> None:
    assert names(crud, "pending") == ["behind", "failed-before", "nothing", "one"]


def test_the_filter_agrees_with_what_each_row_shows(crud: httpx.Client) -> None:
    for state in ("synced", "pending", "failed"):
        for row in crud.get("/appconfigs", params={"state": state}).json()["items"]:
            shown = {target["state"] for target in row["sync"].values()}
            assert state == next(one for one in ("failed", "pending", "synced") if one in shown)


def test_the_filter_joins_the_others_and_pages(crud: httpx.Client) -> None:
    assert names(crud, "pending", search="o", environment="dev") == ["failed-before", "nothing", "one"]
    assert names(crud, "pending", environment="prod") == []
    first = crud.get("/appconfigs", params={"state": "pending", "sort": "name", "limit": 3}).json()
    second = crud.get("/appconfigs", params={"state": "pending", "limit": 3, "cursor": first["next_cursor"]}).json()
    assert (first["total"], [row["name"] for row in second["items"]]) == (4, ["one"])


def test_a_target_that_is_no_longer_configured_but_reported_counts_as_it_shows(
    crud: httpx.Client, new: Callable[..., Row]
) -> None:
    row = new("elsewhere")
    for target in ("k8s", "git"):
        report(crud, status(row["id"], 1), target=target)
    report(crud, status(row["id"], 1, "dead-lettered", error="refused"), target="old")
    assert "elsewhere" in names(crud, "failed")
    crud.delete(f"/appconfigs/{row['id']}")


def test_a_state_that_is_none_is_refused(crud: httpx.Client) -> None:
    assert crud.get("/appconfigs", params={"state": "lost"}).status_code == 422
