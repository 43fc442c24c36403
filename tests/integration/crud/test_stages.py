"""How far what is in a cluster has come beyond its delivery, as its target tells it and as the API has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from integration.crud import test_sync_status
from integration.crud.test_renderers import of, tenants
from integration.crud.test_renderers import status as status_of_row
from integration.crud.test_sync_status import Row, report, seen

__all__ = ["tenants"]
FIRST, SECOND, THIRD = (f"2026-01-01T10:00:0{second}Z" for second in (1, 2, 3))
DELIVERED = {"delivered_at": FIRST, "stage": "synced", "stage_error": "Deployment/a: 0 of 1 ready", "staged_at": FIRST}


@pytest.fixture(params=["a configuration", "a row of any table"])
def row(
    request: pytest.FixtureRequest, crud: httpx.Client, new: Callable[..., Row], sql: sa.Connection
) -> Iterator[Any]:
    """Makes a status of a row at generation 3, and looks at what the API has."""
    if request.param == "a configuration":
        its = new("staged")
        for branch in ("b", "c"):
            crud.patch(f"/appconfigs/{its['id']}", json={"branch": branch})
        yield (
            lambda outcome, **other: test_sync_status.status(its["id"], 3, outcome, **other),
            lambda: seen(crud, its["id"]),
        )
        crud.delete(f"/appconfigs/{its['id']}")
    else:
        yield (
            lambda outcome, **other: status_of_row("1", 3, outcome, **other),
            lambda: of(crud, "1")["targets"]["k8s"],
        )


def staged(stage: str, reason: str | None, at: str) -> dict[str, Any]:
    return {"stage": stage, "stage_error": reason, "staged_at": at, "delivered_at": at}


def shown(found: Row) -> tuple[Any, ...]:
    return found["state"], found["stage"], found["stage_error"]


def test_a_delivery_tells_its_stage_and_a_later_word_another(crud: httpx.Client, row: Any) -> None:
    status, look = row
    report(crud, status("created", **DELIVERED))
    assert shown(look()) == ("synced", "synced", "Deployment/a: 0 of 1 ready")
    before = look()

    report(crud, status("staged", **staged("healthy", None, SECOND)))

    assert shown(look()) == ("synced", "healthy", None)
    assert {**look(), "stage": "synced", "stage_error": before["stage_error"]} == before, "of the delivery all stays"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_in_whatever_order_the_words_come_the_last_one_stands(
    crud: httpx.Client, row: Any, order: tuple[int, ...]
) -> None:
    status, look = row
    report(crud, status("created", **DELIVERED))
    words = [
        status("unchanged", **{**DELIVERED, "delivered_at": THIRD}),
        status("staged", **staged("healthy", None, SECOND)),
        status("staged", **staged("failed", "Deployment/a: timed out", THIRD)),
    ]
    for at in order:
        report(crud, words[at])
    assert shown(look()) == ("synced", "failed", "Deployment/a: timed out")
    assert (look()["outcome"], look()["times"]["delivered"]) == ("created", "2026-01-01T10:00:03.000000Z")


@pytest.mark.parametrize("generation", [2, 4])
def test_a_stage_is_of_the_generation_that_was_delivered_and_of_no_other(
    crud: httpx.Client, row: Any, generation: int
) -> None:
    status, look = row
    report(crud, status("created", **DELIVERED))
    report(crud, {**status("staged", **staged("healthy", None, SECOND)), "generation": generation})
    assert shown(look()) == ("synced", "synced", "Deployment/a: 0 of 1 ready")


def test_what_is_delivered_anew_has_its_own_stage_again(crud: httpx.Client, row: Any) -> None:
    status, look = row
    report(crud, {**status("created", **staged("failed", "why", THIRD)), "generation": 2})
    report(crud, status("configured", **{**DELIVERED, "delivered_at": THIRD}))
    assert shown(look()) == ("synced", "synced", "Deployment/a: 0 of 1 ready")


def test_a_dead_letter_has_no_stage(crud: httpx.Client, row: Any) -> None:
    status, look = row
    report(crud, status("created", **DELIVERED))
    report(crud, status("dead-lettered", error="no", delivered_at=SECOND))
    report(crud, status("staged", **staged("healthy", None, THIRD)))
    assert shown(look()) == ("failed", None, None)


def test_sync_reads_the_stage_with_its_reason(crud: httpx.Client, row: Any) -> None:
    status, _ = row
    told = status("created", **DELIVERED)
    report(crud, told)
    named = f"{told['renderer']}/{told['key']}" if "renderer" in told else f"appconfigs/{told['row_id']}"
    lines = crud.get("/rows:snapshot", params={"row": named, "sync": "true"}).text.splitlines()
    assert '"stage":"synced","stage_error":"Deployment/a: 0 of 1 ready"' in lines[1]
