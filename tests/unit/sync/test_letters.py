"""Replays that come, that are lost on their way, and that wait here: each is answered once its row is settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.messages import replay_message
from rowcast.sync import subscription
from rowcast.sync.batch import Entry
from rowcast.sync.delivery import Delivery
from rowcast.sync.facts import utc_now
from rowcast.sync.letters import IDS_AT_ONCE, Letters, Replays
from rowcast.sync.metrics import SyncMetrics
from rowcast.sync.reporting import Topics
from rowcast.sync.retries import Retries
from rowcast.sync.targets.memory import MemoryTarget
from unit.core.changes import event

pytestmark = pytest.mark.anyio


class Crud:
    """crud's letters, over the sidecar; `away` fails every request."""

    def __init__(self) -> None:
        self.arrived: set[str] = set()
        self.replayed: dict[int, Any] = {}
        self.away = False
        self.paths: list[str] = []

    async def call(self, app_id: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        assert app_id == "crud"
        if self.away:
            raise TransientError("crud is away")
        self.paths.append(path)
        asked = parse_qs(urlsplit(path).query)
        match method, urlsplit(path).path:
            case "GET", "/deadletters:arrived":
                return 200, {"arrived": [one for one in asked["id"] if one in self.arrived]}
            case "GET", "/deadletters:unanswered":
                return 200, {"letters": [{"id": number, "event": one} for number, one in self.replayed.items()]}
            case "POST", "/deadletters:answered":
                assert body["target"] == "memory"
                return 200, {"answered": len([self.replayed.pop(one, None) for one in body["ids"]])}
        raise AssertionError(path)


class Bench:
    def __init__(self) -> None:
        self.crud = Crud()
        self.target = MemoryTarget()
        self.dead: list[Any] = []
        self.retries = Retries(utc_now)
        self.delivery = Delivery(
            self.target,
            self,
            Topics("status", "dead"),
            SyncMetrics("memory", CollectorRegistry()),
            self.retries,
            on_replayed=lambda ids: self.replays.notice(ids),
        )
        self.replays = Replays(Letters(self.crud, "memory"), self.delivery.deliver, 60)

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        if topic == "dead":
            self.dead.append(data)

    async def comes(self, *letters: int) -> set[str]:
        """The replays of these letters come by the broker."""
        return await self.delivery.deliver([self.entry(one) for one in letters])

    def entry(self, letter_id: int) -> Entry:
        entry = Entry(str(letter_id), replay_message(self.crud.replayed[letter_id], letter_id, "x"))
        return subscription._replay(entry)

    async def held(self) -> Sequence[int]:
        return sorted(held.row_id for held in await self.target.inventory())


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_replay_that_comes_is_answered(bench: Bench) -> None:
    bench.crud.replayed = {17: event(row_id=5), 18: "garbage"}

    await bench.comes(17, 18)
    await bench.replays.answer()

    assert (await bench.held(), bench.crud.replayed) == ([5], {})
    assert [letter["event"] for letter in bench.dead] == ["garbage"], "its envelope is none of the event"


async def test_a_replay_that_is_lost_on_its_way_is_delivered_from_the_table(bench: Bench) -> None:
    bench.crud.replayed = {17: event(row_id=5)}

    await bench.replays.look()
    await bench.replays.answer()

    assert (await bench.held(), bench.crud.replayed) == ([5], {})


async def test_an_answer_that_crud_did_not_take_is_given_later_and_meanwhile_nothing_is_delivered_twice(
    bench: Bench,
) -> None:
    bench.crud.replayed = {17: event(row_id=5)}
    await bench.comes(17)
    bench.crud.away = True
    with pytest.raises(TransientError):
        await bench.replays.answer()
    bench.crud.away = False
    tries = bench.target.tries

    await bench.replays.look()
    assert bench.target.tries == tries
    await bench.replays.answer()
    assert bench.crud.replayed == {}


async def test_a_replay_whose_row_waits_here_has_no_answer_until_the_row_has_arrived(bench: Bench) -> None:
    bench.crud.replayed = {17: event(row_id=5)}
    bench.target.refused["app_configs", 5] = TransientError("the webhook is down")
    await bench.comes(17)
    await bench.replays.answer()
    assert bench.crud.replayed.keys() == {17}

    bench.target.refused.clear()
    (waiting,) = bench.retries.waiting()
    await bench.delivery._contained([waiting.entry], again=True)
    await bench.replays.answer()

    assert (await bench.held(), bench.crud.replayed) == ([5], {})


async def test_a_replay_that_must_come_again_has_no_answer(bench: Bench) -> None:
    bench.crud.replayed = {17: event(row_id=5)}
    bench.target.down = "away"

    assert await bench.comes(17) == {"17"}
    await bench.replays.answer()

    assert bench.crud.replayed.keys() == {17}


async def test_a_replay_that_fails_again_is_answered_its_new_letter_tells_the_rest(bench: Bench) -> None:
    bench.crud.replayed = {17: event(row_id=5)}
    bench.target.refused["app_configs", 5] = PermanentError("not-owned", "it is not ours")

    await bench.comes(17)
    await bench.replays.answer()

    assert ([letter["row_id"] for letter in bench.dead], bench.crud.replayed) == ([5], {})


async def test_many_messages_are_asked_for_in_lines_that_a_sidecar_takes(bench: Bench) -> None:
    ids = {f"{number:032x}" for number in range(2 * IDS_AT_ONCE + 1)}
    bench.crud.arrived = set(sorted(ids)[::2])

    assert await Letters(bench.crud, "memory").arrived(ids) == bench.crud.arrived
    assert [len(path) < 4000 for path in bench.crud.paths] == [True] * 3
