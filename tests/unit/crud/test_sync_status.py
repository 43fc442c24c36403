from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Literal

import pytest
from pydantic import ValidationError

from rowcast.crud.deliveries.sync_status import ReportedStatus, newest, read_report

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Outcome = Literal["created", "configured", "unchanged", "deleted", "stale", "dead-lettered"]


def status(generation: int, outcome: Outcome = "configured", minutes: int = 0, deleted: bool = False) -> ReportedStatus:
    delivered = NOON + timedelta(minutes=minutes)
    return ReportedStatus(
        renderer="appconfigs",
        key="1",
        generation=generation,
        outcome=outcome,
        deleted=deleted,
        delivered_at=delivered,
    )


@pytest.mark.parametrize("others", list(permutations([status(1, minutes=9), status(3), status(2), status(4, "stale")])))
def test_the_highest_generation_is_kept_in_whatever_order(others: tuple[ReportedStatus, ...]) -> None:
    assert [kept.generation for kept in newest(others)] == [3]


def test_of_one_generation_a_deletion_outlasts_an_update() -> None:
    assert newest([status(2, deleted=True), status(2, minutes=1)])[0].deleted


def test_of_one_generation_the_later_delivery_is_kept() -> None:
    assert newest([status(2, "dead-lettered"), status(2, "created", minutes=1)])[0].outcome == "created"


@pytest.mark.parametrize("written", ["created", "configured", "deleted"])
def test_what_was_written_stays_so_when_its_event_comes_again(written: Outcome) -> None:
    gone = written == "deleted"
    again = status(2, "unchanged", minutes=1, deleted=gone)
    assert newest([status(2, written, deleted=gone), again])[0].outcome == written
    assert newest([status(1, written), status(2, "unchanged", minutes=1)])[0].outcome == "unchanged"


def test_a_readable_status_beside_a_malformed_one_is_read() -> None:
    good = status(1).model_dump(mode="json")
    report = read_report({"target": "k8s", "statuses": [{"row_id": 0}, good, None]})
    assert report.statuses == [status(1)]
    assert [reason.partition(":")[0] for reason in report.malformed] == ["statuses[0]", "statuses[2]"]


def test_a_report_of_no_target_is_not_readable() -> None:
    with pytest.raises(ValidationError):
        read_report({"statuses": []})
