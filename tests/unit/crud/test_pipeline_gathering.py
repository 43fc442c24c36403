"""What is gathered while a count of the rows takes longer than anybody waits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rowcast.core.errors import TransientError
from rowcast.crud.pipeline import database, gathering, rows
from rowcast.crud.pipeline.database import DatabaseFacts
from rowcast.crud.pipeline.gathering import Gathering
from rowcast.crud.pipeline.rows import Counted
from rowcast.crud.settings import CrudSettings

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Sidecar:
    """One that is away."""

    async def check(self) -> None:
        raise TransientError("away")

    async def invoke(self, *_: Any) -> Any:
        raise TransientError("away")


class Counting:
    """A count that ends when `free` is set, with what it is told to answer; it takes `seconds` by its clock."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.seconds = 0.0
        self.clock = 0.0
        self.answers: list[Counted | TransientError] = []
        self.asked: list[datetime | None] = []

    def __call__(self, _engine: Any, _targets: Any, _patience: timedelta, published_at: datetime | None) -> Counted:
        self.asked.append(published_at)
        self.free.wait(timeout=30)
        self.clock += self.seconds
        answer = self.answers.pop(0)
        if isinstance(answer, TransientError):
            raise answer
        return answer


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    made = Counting()
    monkeypatch.setattr(rows, "count", made)
    monkeypatch.setattr(database, "read", lambda *_: DatabaseFacts(NOW, {}, published_at=NOW))
    monkeypatch.setattr(gathering, "time", SimpleNamespace(monotonic=lambda: made.clock))
    return made


@pytest.fixture
def gathered(counting: Counting) -> Gathering:
    settings = CrudSettings.model_validate({"database_url": "postgresql://nobody@localhost/none"})
    return Gathering(settings, cast("Any", None), cast("Any", Sidecar()))


@contextmanager
def blocked(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Meanwhile a count takes longer than anybody waits."""
    monkeypatch.setattr(gathering, "TIME_LIMIT", 0.05)
    counting.free.clear()
    try:
        yield
    finally:
        counting.free.set()


def counted(hour: int) -> Counted:
    return Counted(NOW + timedelta(hours=hour))


async def test_rows_are_counted_with_what_was_just_seen_to_be_published(
    gathered: Gathering, counting: Counting
) -> None:
    counting.answers = [counted(1)]
    assert (await gathered.gather()).rows.value == counted(1)
    assert counting.asked == [NOW]


async def test_while_a_count_goes_on_the_last_one_is_shown_and_none_is_begun_beside_it(
    gathered: Gathering, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.answers = [counted(1), counted(2)]
    await gathered.gather()

    with blocked(counting, monkeypatch):
        found = [(await gathered.gather()).rows.value for _ in range(2)]

    assert found == [counted(1), counted(1)]
    assert len(counting.asked) == 2


async def test_after_a_count_that_took_long_the_database_rests(gathered: Gathering, counting: Counting) -> None:
    counting.answers = [counted(1), counted(2), counted(3)]
    counting.seconds = 5
    assert (await gathered.gather()).rows.value == counted(1)
    counting.clock += 19
    assert (await gathered.gather()).rows.value == counted(1)
    counting.clock += 2
    counting.seconds = 0.1
    assert (await gathered.gather()).rows.value == counted(2)
    assert (await gathered.gather()).rows.value == counted(3), "a short one needs no rest"


async def test_before_the_first_count_has_ended_it_is_said_that_it_goes_on(
    gathered: Gathering, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.answers = [counted(1)]
    with blocked(counting, monkeypatch):
        found = await gathered.gather()
    assert (found.rows.value, found.rows.error) == (None, "they are being counted")
    assert found.database.value is not None


async def test_a_count_that_has_failed_leaves_no_old_figures(
    gathered: Gathering, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.answers = [counted(1), TransientError("canceling statement"), counted(3)]
    await gathered.gather()
    assert (await gathered.gather()).rows.error == "canceling statement"
    with blocked(counting, monkeypatch):
        assert (await gathered.gather()).rows.error == "canceling statement"


async def test_rows_are_not_counted_in_a_database_that_does_not_answer(
    gathered: Gathering, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> DatabaseFacts:
        raise TransientError("refused")

    monkeypatch.setattr(database, "read", refuse)
    found = await gathered.gather()
    assert (found.database.error, found.rows.error, counting.asked) == ("refused", "refused", [])
