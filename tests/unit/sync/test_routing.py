"""Several targets behind one: where rows go, in which order, and what a target that is away holds up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from contract.targets.rows import deleted, saved
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, News, NewsListener, Result, Target
from rowcast.core.reconcile import Comparison, Kind
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, app_config
from rowcast.sync.environments import place as one_place
from rowcast.sync.environments.routing import Routing
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget

pytestmark = pytest.mark.anyio
ROUTES: Mapping[str, str | None] = {"dev": "dev", "prod": "prod", "sandbox": None}


class Watched(MemoryTarget):
    """Tells of each delivery; can't be started while it is down."""

    told: list[str] | None = None
    news: NewsListener | None = None

    def tell(self, listener: NewsListener) -> None:
        self.news = listener

    async def start(self) -> None:
        self._answer()

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        results = await super().deliver(batch)
        if self.told is not None:
            self.told += [f"{self.name} {'-' if one.deleted else '+'}{one.name}" for one in batch]
        return results


class Silent(Watched):
    """Takes what it is given, and answers when the test lets it."""

    def __init__(self, store: MemoryStore, name: str) -> None:
        super().__init__(store, name)
        self.answers = asyncio.Event()
        self.begun = 0

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        self.begun += 1
        await self.answers.wait()
        return await super().deliver(batch)


@pytest.fixture
def places() -> dict[str, Watched]:
    return {name: Watched(MemoryStore(), name) for name in ("dev", "prod")}


@pytest.fixture
def routing(places: dict[str, Watched]) -> Routing:
    return fresh(places)


def fresh(places: Mapping[str, Watched]) -> Routing:
    def made(target: Target) -> Callable[[], Awaitable[Target]]:
        async def make() -> Target:
            return target

        return make

    return Routing("git", {name: made(target) for name, target in places.items()}, ROUTES.__getitem__)


def held(places: Mapping[str, Watched]) -> dict[str, list[str]]:
    return {name: [one.manifest.name for one in place.store.objects.values()] for name, place in places.items()}


def failure(result: Result) -> TransientError:
    assert isinstance(result, Failed)
    assert isinstance(result.error, TransientError)
    return result.error


async def until_held(target: Watched, name: str) -> None:
    async with asyncio.timeout(20):
        while name not in held({"it": target})["it"]:  # noqa: ASYNC110 - between two looks; the condition decides
            await asyncio.sleep(0.005)


async def outcome(routing: Routing, desired: Desired) -> Outcome:
    (result,) = (await routing.deliver([desired])).values()
    assert isinstance(result, Delivered), result
    return result.outcome


async def test_each_environment_goes_its_own_way(routing: Routing, places: dict[str, Watched]) -> None:
    await routing.start()
    await routing.deliver([saved(1, 1, "a", environment="dev"), saved(2, 1, "b", environment="prod")])
    assert held(places) == {"dev": ["a"], "prod": ["b"]}


async def test_a_row_that_moves_is_created_there_before_it_is_removed_here(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    await routing.deliver([saved(1, 1, "a", environment="dev")])
    told: list[str] = []
    for place in places.values():
        place.told = told

    assert await outcome(routing, saved(1, 2, "a", environment="prod")) is Outcome.CONFIGURED

    assert told == ["prod +a", "dev -a"]
    assert held(places) == {"dev": [], "prod": ["a"]}


async def test_while_the_new_place_is_away_the_old_one_keeps_the_row(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    await routing.deliver([saved(1, 1, "a", environment="dev")])
    move = saved(1, 2, "a", environment="prod")
    places["prod"].down = "no route to host"

    (result,) = (await routing.deliver([move])).values()

    assert isinstance(result, Failed)
    assert held(places) == {"dev": ["a"], "prod": []}
    places["prod"].down = None
    assert await outcome(routing, move) is Outcome.CONFIGURED
    assert held(places) == {"dev": [], "prod": ["a"]}


async def test_while_the_old_place_is_away_the_row_waits_to_be_removed(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    await routing.deliver([saved(1, 1, "a", environment="dev")])
    move = saved(1, 2, "a", environment="prod")
    places["dev"].down = "no route to host"

    (result,) = (await routing.deliver([move])).values()

    assert isinstance(result, Failed)
    assert "no route to host" in str(result.error)
    places["dev"].down = None
    assert await outcome(routing, move) is Outcome.CONFIGURED
    assert held(places) == {"dev": [], "prod": ["a"]}


async def test_a_place_that_is_away_holds_up_no_other(places: dict[str, Watched]) -> None:
    places["prod"].down = "no route to host"
    routing = fresh(places)
    await routing.start()
    batch = [saved(1, 1, "a", environment="dev"), saved(2, 1, "b", environment="prod")]

    results = await routing.deliver(batch)

    assert isinstance(results[app_config(2)], Failed)
    assert held(places)["dev"] == ["a"]
    places["prod"].down = None
    assert isinstance((await routing.deliver(batch))[app_config(2)], Delivered)
    assert held(places) == {"dev": ["a"], "prod": ["b"]}


async def test_a_place_that_does_not_answer_holds_up_no_other_and_is_asked_nothing_more_until_it_does(
    places: dict[str, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_place, "PATIENCE_SECONDS", 0.05)
    silent = Silent(MemoryStore(), "prod")
    routing = fresh({**places, "prod": silent})

    results = await routing.deliver([saved(1, 1, "a", environment="dev"), saved(2, 1, "b", environment="prod")])
    again = await routing.deliver([saved(3, 1, "c", environment="prod")])

    assert isinstance(results[app_config(1)], Delivered)
    assert str(failure(results[app_config(2)])) == "prod: no answer within 0.05 s"
    assert str(failure(again[app_config(3)])) == "prod: still busy with what it was given before"
    silent.answers.set()
    await until_held(silent, "b")
    assert await outcome(routing, saved(2, 1, "b", environment="prod")) is Outcome.UNCHANGED
    assert silent.begun == 2
    await routing.close()


async def test_what_may_be_left_at_a_place_that_was_never_reached_waits_for_it(places: dict[str, Watched]) -> None:
    await places["dev"].deliver([saved(1, 1, "a", environment="dev")])
    places["dev"].down = "no route to host"
    routing = fresh(places)
    await routing.start()
    move = saved(1, 2, "a", environment="prod")

    assert isinstance((await routing.deliver([move]))[app_config(1)], Failed)
    places["dev"].down = None
    await routing.deliver([move])

    assert held(places) == {"dev": [], "prod": ["a"]}


async def test_it_does_not_start_while_no_place_can_be_reached(places: dict[str, Watched]) -> None:
    for place in places.values():
        place.down = "no route to host"
    with pytest.raises(TransientError, match="dev: no route to host"):
        await fresh(places).start()


async def test_an_environment_that_is_delivered_by_somebody_else_is_left_alone(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    row = saved(1, 1, "a", environment="sandbox")
    assert await outcome(routing, row) is Outcome.ELSEWHERE
    assert routing.expect(row) == []
    assert held(places) == {"dev": [], "prod": []}


async def test_a_row_that_leaves_for_somebody_elses_environment_goes_and_does_not_come_back_late(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    late = saved(1, 1, "a", environment="dev")
    await outcome(routing, saved(1, 2, "a", environment="prod"))
    left = saved(1, 3, "a", environment="sandbox")

    assert await outcome(routing, left) is Outcome.ELSEWHERE
    assert await outcome(routing, late) is Outcome.STALE
    assert await outcome(routing, left) is Outcome.ELSEWHERE
    assert held(places) == {"dev": [], "prod": []}


async def test_a_deletion_is_remembered_wherever_the_row_might_come_late(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    late = saved(1, 1, "a", environment="dev")
    await routing.deliver([saved(1, 2, "a", environment="prod")])
    assert await outcome(routing, deleted(1, 3, "a", environment="prod")) is Outcome.DELETED
    assert await outcome(routing, late) is Outcome.STALE
    assert held(places) == {"dev": [], "prod": []}


async def test_a_stale_deletion_takes_what_came_back_below_the_deletion_that_the_place_has_had(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    await routing.deliver([saved(1, 2, "a", environment="prod"), saved(2, 2, "b", environment="prod")])
    carried_out_late = dict(places["prod"].store.objects)
    await routing.deliver([deleted(1, 3, "a", environment="prod")])
    places["prod"].store.objects |= carried_out_late

    assert await outcome(routing, deleted(1, 1, "a", environment="prod")) is Outcome.STALE
    assert await outcome(routing, deleted(2, 1, "b", environment="prod")) is Outcome.STALE

    assert held(places) == {"dev": [], "prod": ["b"]}


async def test_a_reconcile_finds_a_row_that_is_at_two_places_or_at_the_wrong_one(
    routing: Routing, places: dict[str, Watched]
) -> None:
    await routing.start()
    await places["dev"].deliver([saved(1, 1, "a", environment="dev")])
    row = saved(1, 2, "a", environment="prod")
    comparison = Comparison(await routing.inventory(), row.lsn)
    comparison.row(row, routing.expect(row))

    (difference,) = comparison.finish().differences

    assert (difference.kind, difference.held) == (Kind.DIFFERENT, 1)
    assert difference.why == "is at dev:dev/appconfigs/a, not at prod:prod/appconfigs/a"


async def test_the_inventory_is_whole_or_none(routing: Routing, places: dict[str, Watched]) -> None:
    await routing.start()
    places["prod"].down = "no route to host"
    with pytest.raises(TransientError, match="no route to host"):
        await routing.inventory()


async def test_news_of_a_route_are_passed_on_but_not_that_a_row_has_left_it(
    routing: Routing, places: dict[str, Watched]
) -> None:
    told: list[News] = []
    routing.tell(told.extend)
    await routing.start()
    await routing.deliver([saved(1, 2, "a", environment="dev")])
    left = News(app_config(1), "a", 2, True, Delivered(Outcome.DELETED))
    gone = News(app_config(2), "b", 2, True, Delivered(Outcome.DELETED))
    listener = places["prod"].news
    assert listener is not None

    listener([left, gone])

    assert told == [gone]


async def test_leaving_a_place_is_another_word_than_being_deleted(
    routing: Routing, places: dict[str, Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool, bool]] = []
    await routing.start()
    await routing.deliver([saved(1, 1, "a", environment="dev")])
    for name, place in places.items():

        async def deliver(
            batch: Sequence[Desired], name: str = name, place: Watched = place
        ) -> Mapping[RowKey, Result]:
            seen.extend((name, one.deleted, one.elsewhere) for one in batch)
            return await Watched.deliver(place, batch)

        monkeypatch.setattr(place, "deliver", deliver, raising=False)
    await routing.deliver([saved(1, 2, "a", environment="prod")])
    await routing.deliver([deleted(1, 3, "a", environment="prod")])

    assert seen == [
        ("prod", False, False),
        ("dev", True, True),
        ("dev", True, False),
        ("prod", True, False),
    ]


async def test_a_row_may_come_back_to_a_place_at_the_generation_with_which_it_left(places: dict[str, Watched]) -> None:
    """Its environment is delivered there again, and nothing of the row has changed."""
    routing = fresh(places)
    await routing.start()
    moved = saved(1, 2, "a", environment="prod")
    await routing.deliver([saved(1, 1, "a", environment="dev")])
    await routing.deliver([moved])

    (result,) = (await places["dev"].deliver([moved])).values()
    assert isinstance(result, Delivered)
    assert result.outcome is Outcome.CREATED
