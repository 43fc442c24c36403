"""How far rows are beyond their delivery: by their objects, and as crud comes to have it in whatever order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.core.errors import TransientError
from rowcast.core.messages import Status, row_of
from rowcast.core.moves import Reported, Whereabouts
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held
from rowcast.core.ports import Delivered, News
from rowcast.core.readiness import HEALTHY, Readiness, waits
from rowcast.core.render import ResourceType
from rowcast.core.row import RowKey
from rowcast.sync.status.report import StatusTopic
from rowcast.sync.status.stages import AT_ONCE, LONGEST_SECONDS, LOOKS, Stages
from rowcast.sync.targets.kubernetes.objects import Live, View
from rowcast.sync.targets.kubernetes.stages import RowStage, object_readiness, stage_of

ROW = RowKey("tenants", "7")
DEPLOYMENT = ResourceType("apps", "v1", "", "Deployment")
FAILED = Readiness("failed", "timed out")


def live(name: str, generation: int = 5, ready: Readiness = HEALTHY, version: int = 1, **other: Any) -> Live:
    held = Held(DEPLOYMENT.place(name), ROW, generation, 1)
    return replace(Live(DEPLOYMENT, name, f"uid-{name}", str(version), held, readiness=ready), **other)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([], None),
        ([live("a")], RowStage(5, "healthy")),
        ([live("a", objects=2), live("b", objects=2, ready=waits("0 of 1 ready"))],
         RowStage(5, "synced", "Deployment/b: 0 of 1 ready")),
        ([live("a", objects=2, ready=waits("0 of 1 ready")), live("b", objects=2, ready=FAILED)],
         RowStage(5, "failed", "Deployment/b: timed out")),
        ([live("b", objects=2, ready=FAILED, order=1), live("a", objects=2, ready=FAILED)],
         RowStage(5, "failed", "Deployment/a: timed out; Deployment/b: timed out")),
        ([live("a", objects=2), live("b", 6, objects=2)], None),
        ([live("a", objects=3), live("b", objects=3)], RowStage(5, "synced", "2 of 3 objects are there")),
        ([live("a", 3, once=True, objects=1), live("b", objects=2)], RowStage(5, "healthy")),
        ([live("a", 3, once=True)], RowStage(3, "healthy", None, once=True)),
    ],
    ids=[
        "without objects",
        "of one that is ready",
        "of one that waits",
        "of one that failed",
        "in the order of its objects",
        "in the middle of a delivery",
        "with one missing",
        "with one that is made once",
        "of one that is made once",
    ],
)  # fmt: skip
def test_the_stage_of_a_row(own: Sequence[Live], expected: RowStage | None) -> None:
    assert stage_of(own) == expected


PHASE = "self.status.phase == 'Active' && self.spec.size <= self.status.size"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"spec": {"size": 2}, "status": {"phase": "Active", "size": 2}}, HEALTHY),
        ({"spec": {"size": 3}, "status": {"phase": "Active", "size": 2}}, waits(f"ready: {PHASE}: is false")),
        ({"spec": {"size": 3}}, waits(f'ready: {PHASE}: Key not found in map : "status"')),
        (
            {"metadata": {"generation": 2}, "spec": {"size": 2},
             "status": {"phase": "Active", "size": 2, "observedGeneration": 1}},
            waits("its controller has seen generation 1, not 2 yet"),
        ),
    ],
    ids=["true", "false", "without a value", "of what its controller has not seen"],
)  # fmt: skip
def test_an_expression_over_the_live_object_says_whether_it_is_ready(
    content: Mapping[str, Any], expected: Readiness
) -> None:
    assert object_readiness(DEPLOYMENT, {"metadata": {}, **content}, PHASE) == expected


@pytest.mark.parametrize("expression", ["self.", "'text'", "self.metadata"], ids=["none", "a text", "an object"])
def test_an_expression_that_gives_no_truth_is_not_ready(expression: str) -> None:
    found = object_readiness(DEPLOYMENT, {"metadata": {"name": "a"}}, expression)
    assert (found.stage, found.reason is None) == ("synced", False)


def test_the_view_tells_of_a_row_only_when_one_of_its_objects_is_ready_otherwise_or_gone() -> None:
    told: list[RowKey] = []
    view = View(told.append)
    view.observe(live("a", ready=waits("x")))
    view.observe(live("a", ready=waits("x"), version=2))
    assert told == []
    view.observe(live("a", version=3))
    assert told == [ROW]
    view.replace(DEPLOYMENT, [live("a", version=4)])
    assert told == [ROW]
    view.replace(DEPLOYMENT, [live("a", ready=FAILED, version=5)])
    view.refresh(DEPLOYMENT, [], 6)
    assert told == [ROW, ROW, ROW]


@dataclass
class Crud:
    """What crud has of rows; what is published reaches it when a test says so."""

    kept: dict[RowKey, Reported | None] = field(default_factory=dict)
    sent: list[Status] = field(default_factory=list)
    asked: int = 0
    away: bool = False

    async def whereabouts(self, rows: Collection[RowKey]) -> Mapping[RowKey, Whereabouts]:
        self.asked += 1
        if self.away:
            raise TransientError("crud is away")
        return {row: Whereabouts("dev", 9, {"k8s": self.kept[row]}) for row in rows if row in self.kept}

    async def publish(self, topic: str, data: Any, metadata: dict[str, str] | None = None) -> None:
        self.sent += data["statuses"]

    def receive(self, status: Status) -> None:
        """As the statement in `crud/deliveries/sync_status.py` (integration/crud/test_stages.py has it on the real
        database)."""
        known = self.kept[row_of(status)]
        if known is not None and known.generation == status["generation"] and not known.deleted:
            self.kept[row_of(status)] = replace(known, stage=status["stage"], stage_error=status["stage_error"])

    def delivered(self, generation: int, stage: str = "synced", row: RowKey = ROW) -> None:
        self.kept[row] = Reported(generation, False, Outcome.CONFIGURED, stage)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Telling:
    crud: Crud = field(default_factory=Crud)
    clock: Clock = field(default_factory=Clock)
    others: list[News] = field(default_factory=list)

    def __post_init__(self) -> None:
        topic = StatusTopic("k8s", self.crud, "status")
        self.stages = Stages(topic, self.crud.whereabouts, self.others.extend, self.clock)

    def notice(self, generation: int, stage: str, reason: str | None = None, *, once: bool = False) -> None:
        result = Delivered(Outcome.UNCHANGED, stage=stage, stage_error=reason, staged_at="2026-11-29T10:00:00+00:00")
        self.stages.notice([News(ROW, "7", generation, False, result, once=once)])

    async def look(self, after: float = LONGEST_SECONDS) -> list[tuple[int, str]]:
        """What is told when some time has passed."""
        self.clock.now += after
        self.crud.sent.clear()
        await self.stages.look()
        return [(status["generation"], status["stage"]) for status in self.crud.sent]


pytestmark = pytest.mark.anyio


async def test_what_crud_has_already_is_not_told() -> None:
    telling = Telling()
    telling.crud.delivered(5, "healthy")
    telling.notice(5, "healthy")

    assert await telling.look() == []
    assert await telling.look() == []
    assert telling.crud.asked == 1


async def test_a_stage_is_told_until_crud_has_it() -> None:
    telling = Telling()
    telling.crud.delivered(5)
    telling.notice(5, "healthy")

    assert await telling.look() == [(5, "healthy")]
    assert await telling.look() == [(5, "healthy")], "the first was lost"
    telling.crud.receive(telling.crud.sent[0])
    assert await telling.look() == []
    assert await telling.look() == []


async def test_a_stage_waits_for_its_delivery_and_is_dropped_after_a_later_one() -> None:
    telling = Telling()
    telling.crud.delivered(4, "healthy")
    telling.notice(5, "healthy")
    assert await telling.look() == []
    telling.crud.delivered(5)
    assert await telling.look() == [(5, "healthy")]
    telling.crud.delivered(6)
    assert await telling.look() == []
    telling.notice(6, "synced")
    telling.notice(5, "failed", "of before")
    assert await telling.look() == []


async def test_a_stage_whose_delivery_never_comes_is_given_up_and_keeps_no_other_back() -> None:
    telling = Telling()
    telling.crud.delivered(3)
    telling.notice(9, "healthy")
    telling.notice(3, "failed", "of a restored table")
    assert await telling.look() == [(3, "failed")]
    telling.crud.receive(telling.crud.sent[0])
    for _ in range(2 * LOOKS):
        assert await telling.look() == []
    assert telling.crud.asked == LOOKS


async def test_objects_that_are_made_once_have_the_stage_of_later_generations_too() -> None:
    telling = Telling()
    telling.crud.delivered(7)
    telling.notice(3, "healthy", once=True)
    assert await telling.look() == [(7, "healthy")]


async def test_another_reason_is_told_as_another_stage_is() -> None:
    telling = Telling()
    telling.crud.kept[ROW] = Reported(5, False, Outcome.CONFIGURED, "synced", "Deployment/a: 0 of 2 ready")
    telling.notice(5, "synced", "Deployment/a: 1 of 2 ready")
    await telling.look()
    assert [status["stage_error"] for status in telling.crud.sent] == ["Deployment/a: 1 of 2 ready"]


async def test_while_crud_is_away_the_stage_waits() -> None:
    telling = Telling()
    telling.crud.delivered(5)
    telling.crud.away = True
    telling.notice(5, "healthy")
    assert await telling.look() == []
    telling.crud.away = False
    assert await telling.look() == [(5, "healthy")]


async def test_other_news_go_on_to_whom_they_concern() -> None:
    telling = Telling()
    elsewhere = News(ROW, "7", 5, False, Delivered(Outcome.ELSEWHERE))
    telling.stages.notice([elsewhere])
    assert telling.others == [elsewhere]
    assert await telling.look() == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.just("")),
        st.tuples(st.just("stage"), st.sampled_from(["synced", "healthy", "failed"])),
        st.tuples(st.sampled_from(["record", "look", "lose", "receive"]), st.just("")),
    ),
    max_size=20,
)


@examples(200)
@given(STEPS)
def test_in_whatever_order_things_come_crud_has_the_last_stage_of_the_last_delivery(
    steps: list[tuple[str, str]],
) -> None:
    anyio.run(_in_order, steps)


async def _in_order(steps: list[tuple[str, str]]) -> None:
    telling = Telling()
    telling.crud.kept[ROW] = None
    generation, on_their_way = 0, list[int]()
    for step, stage in (*steps, ("deliver", "")):
        match step:
            case "deliver":
                generation += 1
                on_their_way.append(generation)
            case "stage" if generation:
                telling.notice(generation, stage)
            case "record" if on_their_way:
                telling.crud.delivered(on_their_way.pop(0))
            case "look":
                await telling.look()
            case "lose":
                telling.crud.sent.clear()
            case "receive" if telling.crud.sent:
                telling.crud.receive(telling.crud.sent[-1])
    telling.notice(generation, "failed", "why")
    telling.crud.delivered(generation)
    for _ in range(2):
        await telling.look()
        for status in telling.crud.sent:
            telling.crud.receive(status)
    assert telling.crud.kept[ROW] == Reported(generation, False, Outcome.CONFIGURED, "failed", "why")
    assert await telling.look() == []


async def test_of_many_all_have_a_turn_before_one_has_another() -> None:
    telling = Telling()
    for generation in range(1, 2 * AT_ONCE + 51):
        telling.notice(generation, "synced")
    telling.crud.kept[ROW] = Reported(2 * AT_ONCE + 50, False, "created", None)

    assert [await telling.stages.look() for _ in range(4)] == [AT_ONCE, AT_ONCE, 50, 0]
    assert telling.crud.asked == 3
