"""What is acknowledged, retried, dead-lettered and reported, on the fake target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.errors import PermanentError, TooLargeError, TransientError
from rowcast.core.ports import Result
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, app_config
from rowcast.sync.delivery.delivery import INTERNAL_ERROR, Delivery
from rowcast.sync.intake import retries
from rowcast.sync.intake.batch import Entry
from rowcast.sync.intake.retries import Retries
from rowcast.sync.monitoring.facts import utc_now
from rowcast.sync.monitoring.metrics import SyncMetrics
from rowcast.sync.status.report import Topics
from rowcast.sync.targets.memory import MemoryTarget
from unit.core.changes import event

pytestmark = pytest.mark.anyio
ROW, OTHER = app_config(1), app_config(2)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens at its own time."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - between two looks; the condition decides
            await asyncio.sleep(0.005)


class BrokenTarget(MemoryTarget):
    """Has a bug that row 1 brings out."""

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        if any(desired.row == ROW for desired in batch):
            raise TypeError("odd")
        return await super().deliver(batch)


@dataclass
class Bench:
    """A delivery to the fake target, with what it published, by topic."""

    target: MemoryTarget = field(default_factory=MemoryTarget)
    published: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    broken_topics: set[str] = field(default_factory=set)
    largest: int = 1_000_000
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    read_by_a_snapshot: int = 0
    capacity: int = 1_000

    def __post_init__(self) -> None:
        metrics = SyncMetrics("memory", self.registry)
        topics = Topics("status", "dead")
        self.retries = Retries(utc_now, self.capacity)
        self._delivery = Delivery(self.target, self, topics, metrics, self.retries, on_snapshot=self._count)

    @asynccontextmanager
    async def trying_again(self) -> AsyncIterator[None]:
        """Meanwhile rows that wait are tried."""
        task = asyncio.create_task(self._delivery.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def _count(self) -> None:
        self.read_by_a_snapshot += 1

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        if topic in self.broken_topics:
            raise TransientError("broker down")
        if len(orjson.dumps(data)) > self.largest:
            raise TooLargeError("message was too large")
        self.published.append((topic, data))

    async def deliver(self, *events: object) -> set[str]:
        """Deliver events; their ids are their numbers."""
        return await self._delivery.deliver([Entry(str(n), one, {"__offset": str(n)}) for n, one in enumerate(events)])

    def statuses(self) -> list[tuple[int, int, str]]:
        """(row, generation, outcome) as reported."""
        return [
            (int(status["key"]), status["generation"], status["outcome"])
            for topic, data in self.published
            if topic == "status"
            for status in data["statuses"]
        ]

    def letters(self) -> list[dict[str, Any]]:
        """The dead letters."""
        return [data for topic, data in self.published if topic == "dead"]

    def counted(self, outcome: str, renderer: str = "appconfigs") -> float | None:
        """The metric of one outcome."""
        labels = {"target": "memory", "renderer": renderer, "outcome": outcome}
        return self.registry.get_sample_value("rowcast_sync_changes_total", labels)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_batch_is_acknowledged_delivered_and_reported_in_one_message(bench: Bench) -> None:
    retry = await bench.deliver(event("c", row_id=1, name="a"), event("c", row_id=2, name="b"))

    assert retry == set()
    assert bench.statuses() == [(1, 1, "created"), (2, 1, "created")]
    assert len(bench.published) == 1
    assert [int(held.row.key) for held in await bench.target.inventory()] == [1, 2]


async def test_what_a_snapshot_read_is_told_and_other_changes_are_not(bench: Bench) -> None:
    await bench.deliver(event("c", row_id=1, name="a"), event("u", row_id=2, name="b"))
    assert bench.read_by_a_snapshot == 0

    await bench.deliver(event("r", row_id=3, name="c"))
    assert bench.read_by_a_snapshot == 2, "when it has come, and when it is delivered"


async def test_only_the_latest_state_of_a_row_is_delivered_and_what_it_overtook_counts_as_stale(
    bench: Bench,
) -> None:
    retry = await bench.deliver(event("c", generation=1), event(generation=2), event(generation=3))

    assert retry == set()
    assert bench.statuses() == [(1, 3, "created")]
    assert (bench.counted("created"), bench.counted("stale")) == (1, 2)


async def test_an_event_that_comes_again_or_late_changes_nothing(bench: Bench) -> None:
    await bench.deliver(event(generation=2))
    await bench.deliver(event(generation=2))
    await bench.deliver(event(generation=1))

    assert bench.statuses() == [(1, 2, "created"), (1, 2, "unchanged"), (1, 1, "stale")]
    assert bench.target.store.version == 1


async def test_a_target_that_is_down_has_the_whole_batch_again_and_nothing_is_reported(bench: Bench) -> None:
    bench.target.down = "connection refused"

    retry = await bench.deliver(event(row_id=1), event(row_id=2, name="b"))

    assert retry == {"0", "1"}
    assert bench.published == []


async def test_a_row_that_must_be_tried_again_waits_apart_and_no_event_waits_for_it(bench: Bench) -> None:
    bench.target.refused[ROW] = TransientError("429")

    retry = await bench.deliver(event(row_id=1), event(row_id=2, name="b"), event(row_id=1, generation=2))

    assert retry == set()
    assert bench.statuses() == [(2, 1, "created")]
    assert len(bench.retries) == 1

    async with bench.trying_again():
        del bench.target.refused[ROW]
        await until(lambda: len(bench.retries) == 0)
    assert bench.statuses() == [(2, 1, "created"), (1, 2, "created")]


async def test_what_comes_of_a_row_that_waits_joins_it_and_the_newest_state_is_delivered(bench: Bench) -> None:
    bench.target.refused[ROW] = TransientError("429")
    await bench.deliver(event(row_id=1, generation=2))

    assert await bench.deliver(event(row_id=1, generation=4), event(row_id=1, generation=1)) == set()
    assert await bench.deliver(event(row_id=1, generation=3), event(row_id=2, name="b")) == set()
    del bench.target.refused[ROW]
    async with bench.trying_again():
        await until(lambda: len(bench.retries) == 0)

    assert bench.statuses() == [(2, 1, "created"), (1, 4, "created")]


async def test_a_row_that_waits_and_is_then_refused_for_good_is_a_dead_letter_with_its_event(bench: Bench) -> None:
    bench.target.refused[ROW] = TransientError("429")
    await bench.deliver(event(row_id=1))
    bench.target.refused[ROW] = PermanentError("rejected", "spec.branch: too long")

    async with bench.trying_again():
        await until(lambda: len(bench.retries) == 0)

    (letter,) = bench.letters()
    assert (letter["reason"], letter["event"], letter["position"]) == ("rejected", event(row_id=1), {"__offset": "0"})


async def test_a_row_that_arrived_and_whose_status_can_not_be_told_waits_until_it_can(bench: Bench) -> None:
    bench.target.refused[ROW] = TransientError("429")
    await bench.deliver(event(row_id=1))
    bench.broken_topics.add("status")
    del bench.target.refused[ROW]

    async with bench.trying_again():
        await until(lambda: bench.target.store.version == 1)
        bench.broken_topics.clear()
        await until(lambda: len(bench.retries) == 0)

    assert bench.statuses() == [(1, 1, "unchanged")]


async def test_rows_for_which_there_is_no_room_are_left_with_the_broker() -> None:
    bench = Bench(capacity=1)
    bench.target.refused |= {ROW: TransientError("429"), OTHER: TransientError("429")}

    retry = await bench.deliver(event(row_id=1), event(row_id=2, name="b"), event(row_id=3, name="c"))

    assert retry == {"1"}
    assert bench.statuses() == [(3, 1, "created")]


async def test_an_event_that_makes_us_fail_keeps_none_of_its_neighbours_waiting() -> None:
    bench = Bench(target=BrokenTarget())

    retry = await bench.deliver(*(event(row_id=n, name=f"n{n}") for n in range(10)))

    assert retry == set()
    assert sorted(row for row, _, _ in bench.statuses()) == [0, *range(2, 10)]
    assert bench.registry.get_sample_value("rowcast_sync_errors_total", {"target": "memory", "class": "bug"}) == 1
    (waiting,) = bench.retries.waiting()
    assert waiting.error == "TypeError('odd')"


async def test_what_makes_us_fail_and_has_no_row_is_a_dead_letter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(_event: object) -> None:
        raise RecursionError("deep")

    monkeypatch.setattr("rowcast.sync.delivery.delivery.decode", decode)

    assert await bench.deliver(event()) == set()
    assert [letter["reason"] for letter in bench.letters()] == [INTERNAL_ERROR]


async def test_an_undecodable_event_is_dead_lettered_with_reason_position_and_payload_and_its_neighbours_go_on(
    bench: Bench,
) -> None:
    garbage = {"hello": "world"}

    retry = await bench.deliver(event(), garbage)

    assert retry == set()
    (letter,) = bench.letters()
    assert (letter["reason"], letter["event"], letter["position"]) == ("undecodable", garbage, {"__offset": "1"})
    assert bench.statuses() == [(1, 1, "created")]
    assert bench.counted("dead-lettered", renderer="") == 1


async def test_a_row_that_the_target_rejects_is_dead_lettered_and_its_status_says_why(bench: Bench) -> None:
    bench.target.refused[app_config(1)] = PermanentError("rejected", "spec.branch: too long")

    retry = await bench.deliver(event(row_id=1), event(row_id=2, name="b"))

    assert retry == set()
    (letter,) = bench.letters()
    assert (letter["reason"], letter["error"], int(letter["key"])) == ("rejected", "spec.branch: too long", 1)
    assert sorted(bench.statuses()) == [(1, 1, "dead-lettered"), (2, 1, "created")]


async def test_a_dead_letter_that_can_not_be_kept_is_not_acknowledged(bench: Bench) -> None:
    bench.broken_topics.add("dead")

    assert await bench.deliver(event(), "garbage") == {"1"}


async def test_a_batch_whose_status_can_not_be_told_comes_again_and_is_told_then(bench: Bench) -> None:
    bench.broken_topics.add("status")
    assert await bench.deliver(event()) == {"0"}

    bench.broken_topics.clear()
    assert await bench.deliver(event()) == set()
    assert bench.statuses() == [(1, 1, "unchanged")]


async def test_a_row_that_keeps_failing_says_why_and_goes_on_as_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_SECONDS", 0.001)
    monkeypatch.setattr("rowcast.sync.delivery.delivery.TROUBLE_SECONDS", 0)
    bench = Bench()
    bench.target.refused |= {ROW: TransientError("the webhook is down"), OTHER: TransientError("the webhook is down")}

    assert await bench.deliver(event(row_id=1, generation=2), event("d", row_id=2, generation=1)) == set()
    async with bench.trying_again():
        tries = bench.target.tries
        await until(lambda: bench.target.tries > tries + 3)

    assert bench.statuses() == [(1, 2, "retrying")]
    (_, message) = bench.published[0]
    assert message["statuses"][0]["error"] == "the webhook is down"


async def test_a_target_that_stays_down_says_why_at_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(target=MemoryTarget(down="the branch is protected"))
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr("rowcast.sync.delivery.delivery.time.monotonic", lambda: next(clock))

    for _ in range(3):
        assert await bench.deliver(event(row_id=1, generation=2), event("d", row_id=2, generation=1)) == {"0", "1"}

    assert bench.statuses() == [(1, 2, "retrying")]
    (_, message) = bench.published[0]
    assert message["statuses"][0]["error"] == "the branch is protected"


async def test_a_short_trouble_is_no_news(bench: Bench) -> None:
    bench.target.refused[ROW] = TransientError("lost a race")

    await bench.deliver(event())

    assert bench.statuses() == []


async def test_of_a_large_event_a_dead_letter_has_the_beginning(bench: Bench) -> None:
    assert await bench.deliver('"' * 1_000_000, {"hello": "x" * 1_000_000}) == set()

    for letter in bench.letters():
        assert len(orjson.dumps(letter)) < 300_000
        assert "characters; the whole of it is at the position told here" in letter["event"]
        assert letter["position"]


def nested(depth: int) -> object:
    """Lists in lists."""
    made: object = "core"
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize(
    "odd",
    [
        {"hello": nested(300)},
        nested(20_000),
        "\ud83d",
        {"hello": "\ud83d"},
        {"id": 10**5_000},
        {"id": 2**70},
        {"hello": "<&>" * 200_000},
        "\u2028<" * 200_000,
        {7: {1, 2}},
        event(branch="\ud83d"),
        event(name="../../secrets/x"),
    ],
    ids=[
        "nested",
        "nested deeply",
        "half",
        "half inside",
        "digits",
        "70 bits",
        "escaped",
        "text",
        "no JSON",
        "row",
        "path",
    ],
)
async def test_whatever_can_not_be_decoded_is_a_dead_letter_alone(bench: Bench, odd: object) -> None:
    assert await bench.deliver(event(row_id=1), odd, event(row_id=2, name="b")) == set()

    (letter,) = bench.letters()
    assert letter["reason"] == "undecodable"
    # The sidecar escapes these on the way to the broker.
    assert sum(6 if chr(byte) in "<>&" else 1 for byte in orjson.dumps(letter)) < 300_000
    assert bench.statuses() == [(1, 1, "created"), (2, 1, "created")]


async def test_every_field_of_a_dead_letter_is_bounded(bench: Bench) -> None:
    bench.target.refused[app_config(1)] = PermanentError("rejected", "no\0" * 1_000_000)
    position = {f"__{number}": "k" * 1_000_000 for number in range(100)}

    await bench._delivery.deliver([Entry("0", event(), position), Entry("1", {"iodebeziumtable": "t" * 900_000})])

    assert len(bench.letters()) == 2
    for letter in bench.letters():
        assert len(orjson.dumps(letter)) < 64_000


async def test_a_dead_letter_that_the_broker_finds_too_large_is_kept_without_its_event() -> None:
    bench = Bench(largest=5_000)

    assert await bench.deliver({"hello": "x" * 50_000}) == set()

    (letter,) = bench.letters()
    assert "larger than the broker takes" in letter["event"]
    assert letter["position"] == {"__offset": "0"}


async def test_long_errors_of_many_rows_are_told_in_messages_that_a_broker_takes(bench: Bench) -> None:
    rows = range(1, 182)
    for row_id in rows:
        bench.target.refused[app_config(row_id)] = PermanentError("rejected", "denied by a policy: " + "é" * 100_000)

    assert await bench.deliver(*(event(row_id=row_id, name=f"n{row_id}") for row_id in rows)) == set()

    messages = [data for topic, data in bench.published if topic == "status"]
    assert len(messages) > 1
    assert all(len(orjson.dumps(message)) <= 256 * 1024 for message in messages)
    assert [int(status["key"]) for message in messages for status in message["statuses"]] == list(rows)
    assert all("(100020 characters)" in status["error"] for message in messages for status in message["statuses"])


async def test_a_message_that_a_broker_finds_too_large_is_never_sent_as_a_whole_again() -> None:
    bench = Bench(largest=2_000)

    assert await bench.deliver(*(event(row_id=row_id, name=f"n{row_id}") for row_id in range(1, 41))) == set()

    assert [row_id for row_id, _, _ in bench.statuses()] == list(range(1, 41))


async def test_a_status_that_not_even_a_small_broker_takes_whole_is_told_in_short() -> None:
    bench = Bench(largest=1_200)
    bench.target.refused[app_config(1)] = PermanentError("rejected", "no " * 10_000)

    assert await bench.deliver(event()) == set()

    assert bench.statuses() == [(1, 1, "dead-lettered")]


async def test_a_placeholder_is_a_dead_letter_where_no_table_can_be_asked(bench: Bench) -> None:
    assert await bench.deliver(event(repository_url="__debezium_unavailable_value")) == set()

    (letter,) = bench.letters()
    assert letter["reason"] == "incomplete"
    assert list(await bench.target.inventory()) == []
