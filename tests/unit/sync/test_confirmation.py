"""With a broker that takes messages and loses them, what is told counts when crud has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from rowcast.core.errors import TransientError
from rowcast.core.messages import row_of, status, status_message
from rowcast.core.moves import Reported, Whereabouts
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News
from rowcast.core.row import RowKey, app_config
from rowcast.sync.clock import now
from rowcast.sync.status import confirmation as confirming
from rowcast.sync.status.confirmation import STATUS_SECONDS, STATUS_TIMES, Asked, Confirming
from rowcast.sync.status.report import Topics

pytestmark = pytest.mark.anyio
TOPICS = Topics("status", "dead")


class Bench:
    """A broker and crud behind it; the first `lost` messages are taken and lost."""

    def __init__(self) -> None:
        self.clock = 1_000.0
        self.lost = 0
        self.published: list[tuple[str, Any]] = []
        self.letters: list[Any] = []
        self.rows: dict[RowKey, Whereabouts] = {}
        self.away = False
        self.missed_at: list[float] = []
        asked = Asked(self.arrived, self.whereabouts, self.missed)
        self.confirming = Confirming(self, TOPICS, "git", asked, lambda: self.clock)

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.published.append((topic, data))
        if len(self.published) <= self.lost:
            return
        if topic == "dead":
            self.letters.append(data)
        for one in data.get("statuses", ()):
            reported = Reported(one["generation"], one["deleted"], one["outcome"], one["stage"])
            self.rows[row_of(one)] = Whereabouts("dev", one["generation"], {"git": reported})

    async def arrived(self, message_ids: Collection[str]) -> set[str]:
        self.clock += 0.4
        if self.away:
            raise TransientError("crud is away")
        return {letter["message_id"] for letter in self.letters} & set(message_ids)

    async def whereabouts(self, rows: Collection[RowKey]) -> Mapping[RowKey, Whereabouts]:
        if self.away:
            raise TransientError("crud is away")
        return {row: self.rows[row] for row in rows if row in self.rows}

    async def missed(self) -> None:
        self.missed_at.append(self.clock)
        if self.away:
            raise TransientError("crud is away")

    async def look(self) -> None:
        self.clock += STATUS_SECONDS * STATUS_TIMES
        await self.confirming.look()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "FIRST_PAUSE_SECONDS", 0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def letter(message_id: str = "a", event: object = "garbage") -> dict[str, Any]:
    return {"event": event, "name": None, "message_id": message_id}


async def test_a_letter_is_published_once_where_it_comes(bench: Bench) -> None:
    await bench.confirming.publish("dead", letter())

    assert len(bench.published) == 1


async def test_a_letter_that_is_lost_is_published_again_as_the_same(bench: Bench) -> None:
    bench.lost = 1

    await bench.confirming.publish("dead", letter())

    assert [data["message_id"] for _, data in bench.published] == ["a", "a"]


async def test_a_letter_that_crud_does_not_have_is_not_published(bench: Bench) -> None:
    bench.lost = 10

    with pytest.raises(TransientError, match="it has not come"):
        await bench.confirming.publish("dead", letter())


async def test_an_event_that_comes_again_meanwhile_is_the_same_letter_and_later_a_new_one(bench: Bench) -> None:
    bench.away = True
    with pytest.raises(TransientError, match="crud is away"):
        await bench.confirming.publish("dead", letter("a"))
    bench.away = False

    for message_id in ("b", "c"):
        await bench.confirming.publish("dead", letter(message_id))
    await bench.confirming.publish("dead", letter("d", event={"other": 1}))

    ids = [data["message_id"] for _, data in bench.published]
    assert list(dict.fromkeys(ids)) == ["a", "c", "d"]


def told(generation: int, outcome: Outcome = Outcome.CREATED, stage: str | None = None, **more: Any) -> dict[str, Any]:
    arrived = Delivered(outcome, stage=stage)
    made = status(News(app_config(1), "n", generation, False, arrived), arrived, now()) | more
    return status_message("git", [made])


async def test_a_status_that_is_recorded_is_told_once(bench: Bench) -> None:
    await bench.confirming.publish("status", told(1))
    for _ in range(3):
        await bench.look()

    assert len(bench.published) == 1


@pytest.mark.parametrize(
    "news",
    [told(2), told(1, Outcome.UNCHANGED), told(1)],
    ids=["of a later generation", "of another outcome", "of a merge"],
)
async def test_a_status_that_is_lost_is_told_again(bench: Bench, news: dict[str, Any]) -> None:
    bench.rows[app_config(1)] = Whereabouts("dev", 2, {"git": Reported(1, False, "created", "proposed")})
    bench.lost = 2
    await bench.confirming.publish("status", news)

    for _ in range(5):
        await bench.look()

    assert [data["statuses"] for _, data in bench.published] == [news["statuses"]] * 3
    reported = bench.rows[app_config(1)].at["git"]
    assert reported is not None
    assert (reported.generation, reported.stage) == (news["statuses"][0]["generation"], None)


async def test_what_crud_will_not_record_is_told_a_few_times_and_no_more(bench: Bench) -> None:
    bench.rows[app_config(1)] = Whereabouts("dev", 2, {"git": None})
    bench.lost = 100
    await bench.confirming.publish("status", told(1))

    for _ in range(10):
        await bench.look()

    assert len(bench.published) == STATUS_TIMES


async def test_crud_is_told_of_statuses_that_have_not_come_twice_and_not_of_one_that_was_lost_once(
    bench: Bench,
) -> None:
    bench.rows[app_config(1)] = Whereabouts("dev", 2, {"git": None})
    bench.lost = 100
    await bench.confirming.publish("status", told(1))

    await bench.look()
    assert bench.missed_at == []
    await bench.look()
    assert len(bench.missed_at) == 1


async def test_what_crud_records_otherwise_is_not_held_back(bench: Bench) -> None:
    bench.rows[app_config(1)] = Whereabouts("dev", 1, {"git": Reported(1, False, "configured", None)})
    bench.lost = 100
    await bench.confirming.publish("status", told(1))

    for _ in range(5):
        await bench.look()

    assert bench.missed_at == []


async def test_nothing_is_told_again_of_what_says_nothing_of_the_row_or_has_been_overtaken(bench: Bench) -> None:
    bench.lost = 100
    bench.rows[app_config(1)] = Whereabouts("dev", 3, {"git": Reported(3, False, "configured", None)})
    for news in (told(1), told(3) | {"statuses": [told(3)["statuses"][0] | {"outcome": "stale"}]}):
        await bench.confirming.publish("status", news)
        await bench.look()

    assert len(bench.published) == 2


async def test_a_stage_is_looked_after_by_who_tells_it_and_takes_no_statuss_place(bench: Bench) -> None:
    bench.rows[app_config(1)] = Whereabouts("dev", 1, {"git": None})
    bench.lost = 2
    await bench.confirming.publish("status", told(1))
    await bench.confirming.publish("status", status_message("git", [told(1)["statuses"][0] | {"outcome": "staged"}]))
    await bench.look()

    assert [data["statuses"][0]["outcome"] for _, data in bench.published] == ["created", "staged", "created"]


async def test_while_crud_is_away_statuses_wait_to_be_compared(bench: Bench) -> None:
    bench.rows[app_config(1)] = Whereabouts("dev", 2, {"git": None})
    bench.lost = 1
    await bench.confirming.publish("status", told(1))
    bench.away = True
    with pytest.raises(TransientError):
        await bench.look()
    bench.away = False

    await bench.look()

    assert len(bench.published) == 2


async def test_that_no_engine_follows_is_told_twice(bench: Bench) -> None:
    message = status_message("git", [], "none")
    await bench.confirming.publish("status", message)

    for _ in range(3):
        await bench.look()

    assert bench.published == [("status", message)] * 2


async def test_a_status_that_crud_keeps_as_written_counts_as_recorded(bench: Bench) -> None:
    """crud keeps `created` when the generation's event comes again."""
    row = app_config(1)
    kept = Reported(1, False, Outcome.CREATED, None)
    published: list[Any] = []

    async def publish(topic: str, data: Any, metadata: Any = None) -> None:
        published.append(data)
        bench.rows[row] = Whereabouts("dev", 1, {"git": kept})

    bench.publish = publish  # type: ignore[method-assign]
    bench.confirming._publisher = bench
    await bench.confirming.publish("status", told(1, Outcome.UNCHANGED))
    for _ in range(4):
        await bench.look()
    assert len(published) == 1
