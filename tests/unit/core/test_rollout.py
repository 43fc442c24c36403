"""How a roll-out goes on, whatever happens to its rows, and whoever looks at it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core import rollout as core
from rowcast.core.rollout import (
    Counts,
    Rollout,
    RolloutError,
    Seen,
    Step,
    abort,
    advance,
    begin,
    pause,
    resume,
    roll_back,
    room,
    rows_wanted,
    steps_as_json,
    steps_of,
)

START = datetime(2026, 11, 29, tzinfo=UTC)
OLD, NEW = 1, 2


@dataclass
class Row:
    staging: bool
    revision: int = OLD
    had: int = OLD
    step: int | None = None
    told: bool = True
    ready: bool = True
    failed: bool = False


@dataclass
class World:
    """A table, its targets and a worker that forgets everything between two looks, as the database and crud are."""

    rollout: Rollout
    rows: dict[int, Row] = field(default_factory=dict)
    now: datetime = START
    former: int = OLD
    source: int = OLD
    assigned_at: list[int] = field(default_factory=list)
    made: int = 0

    def seen(self) -> Seen:
        rows, back = self.rows.values(), self.rollout.state == "rolling-back"
        steps = []
        for place, _ in enumerate(self.rollout.steps):
            its = [row for row in rows if row.step == place and row.revision == NEW]
            ready = sum(row.told and row.ready and not row.failed for row in its)
            failed = sum(row.told and row.failed for row in its)
            steps.append(Counts(len(its), sum(row.told for row in its) - failed, ready, failed))
        untold = sum(row.step is not None and not row.told for row in rows)
        behind = sum(row.revision != NEW for row in rows)
        going_back = len(self.rows) - behind + untold if back else 0
        switched = self.source == (self.former if back else NEW)
        return Seen(len(self.rows), behind, steps, untold, switched, going_back)

    def look(self) -> None:
        kept = json.loads(json.dumps(steps_as_json(self.rollout)))
        before = replace(self.rollout, steps=steps_of(kept))
        assert before == self.rollout
        seen = self.seen()
        self.rollout = advance(self.rollout, seen, self.now)
        states = [step.state for step in self.rollout.steps]
        rank = [("waiting", "assigning", "delivering", "holding", "done").index(state) for state in states]
        assert all(one == 4 for one in rank[: self.rollout.place]), states
        assert not any(rank[self.rollout.place + 1 :]), states
        if self.rollout.state in ("running", "holding", "rolling-back"):
            if self.rollout.new_rows_follow:
                self.source = NEW
            if self.rollout.state == "rolling-back":
                self.source = self.former
            self._assign(room(self.rollout, seen), seen)

    def _assign(self, most: int, seen: Seen) -> None:
        place, step = self.rollout.place, self.rollout.step
        if self.rollout.state == "rolling-back":
            for row in [row for row in self.rows.values() if row.revision == NEW][:most]:
                self._give(row, row.had, row.step or 0)
            return
        wanted = rows_wanted(step, seen)
        behind = [row for row in self.rows.values() if row.revision != NEW]
        if wanted is None:
            for row in [row for row in behind if row.staging][:most]:
                self._give(row, NEW, place)
            looked = not any(row.staging and row.revision != NEW for row in self.rows.values())
            steps = [*self.rollout.steps]
            steps[place] = replace(step, looked=step.looked or looked)
            self.rollout = replace(self.rollout, steps=steps)
        else:
            for row in behind[: min(most, wanted)]:
                self._give(row, NEW, place)

    def _give(self, row: Row, revision: int, step: int) -> None:
        assert self.rollout.state in ("running", "holding", "rolling-back")
        if revision == NEW:
            row.had = row.revision
            self.assigned_at.append(step)
        row.revision, row.step, row.told, row.failed, row.ready = revision, step, False, False, False

    def happens(self, event: tuple[str, int]) -> None:
        kind, number = event
        rows = list(self.rows.values())
        row = rows[number % len(rows)] if rows else None
        match kind:
            case "look":
                self.look()
            case "time":
                self.now += timedelta(seconds=number)
            case "insert":
                self.made += 1
                self.rows[self.made] = Row(bool(number % 2), self.source, self.former)
            case "delete" if self.rows:
                del self.rows[list(self.rows)[number % len(self.rows)]]
            case "change" if row is not None:
                row.staging = not row.staging
            case "told" if row is not None:
                row.told = True
            case "ready" if row is not None:
                row.told = row.ready = True
                row.failed = False
            case "failed" if row is not None and row.step is not None:
                row.told = row.failed = True
            case "all ready":
                for each in rows:
                    each.told = each.ready = True
                    each.failed = False
            case "pause" | "resume":
                with suppress(RolloutError):
                    self.rollout = pause(self.rollout) if kind == "pause" else resume(self.rollout, self.now)

    def to_the_end(self) -> None:
        """Everything does well from now on."""
        for _ in range(200):
            if self.rollout.state in ("paused", "stopped"):
                self.happens(("resume", 0))
            self.happens(("all ready", 0))
            self.now += timedelta(seconds=100)
            self.look()
            if self.rollout.state not in core.UNDER_WAY:
                return
        raise AssertionError(self.rollout)


KINDS = (
    *("look", "look", "look", "time", "insert", "delete", "change"),
    *("told", "ready", "ready", "failed", "all ready", "pause", "resume"),
)
EVENTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30)), max_size=80)
STEPS = st.lists(
    st.one_of(
        st.builds(Step, rows=st.integers(1, 10)),
        st.builds(Step, share=st.sampled_from([1.0, 10.0, 50.0, 100.0])),
        st.just(Step(filter="row.staging")),
    ),
    max_size=4,
)


def world(steps: list[Step], rows: int = 12, hold: int = 0, limit: int = 0) -> World:
    made = World(begin(steps, hold, limit))
    for number in range(rows):
        made.happens(("insert", number))
    return made


@given(STEPS, EVENTS, st.integers(0, 2), st.sampled_from([0, 20]))
def test_whatever_happens_every_row_has_the_revision_in_the_end_step_by_step(
    steps: list[Step], events: list[tuple[str, int]], limit: int, hold: int
) -> None:
    its = world(steps, hold=hold, limit=limit)
    for event in events:
        before = its.rollout.state
        its.happens(event)
        failed = sum(row.step is not None and row.revision == NEW and row.failed for row in its.rows.values())
        if event[0] == "look" and before in ("running", "holding") and failed > limit:
            assert its.rollout.state in ("stopped", "done")
    its.to_the_end()

    assert its.rollout.state == "done"
    assert {row.revision for row in its.rows.values()} <= {NEW}
    assert its.source == NEW
    its.happens(("insert", 0))
    assert {row.revision for row in its.rows.values()} == {NEW}


@given(STEPS, EVENTS, st.integers(0, 3))
def test_a_rollback_gives_every_row_back_what_it_had_wherever_it_begins(
    steps: list[Step], events: list[tuple[str, int]], limit: int
) -> None:
    its = world(steps, limit=limit)
    for event in events:
        its.happens(event)
    its.rollout = roll_back(its.rollout)
    for event in events:
        if event[0] not in ("pause", "resume"):
            its.happens(event)
    its.to_the_end()

    assert its.rollout.state == "rolled-back"
    assert {row.revision for row in its.rows.values()} <= {OLD}
    assert its.source == OLD


@given(STEPS, EVENTS)
def test_nothing_is_assigned_while_it_is_paused_or_once_it_is_aborted(
    steps: list[Step], events: list[tuple[str, int]]
) -> None:
    its = world(steps)
    its.look()
    ended = False
    for event in events:
        given_before = len(its.assigned_at)
        state = its.rollout.state
        its.happens(event)
        if state in ("paused", "stopped", "aborted") and event[0] != "resume":
            assert len(its.assigned_at) == given_before
        if event[0] == "pause" and its.rollout.state == "paused" and not ended and len(events) > 40:
            its.rollout, ended = abort(its.rollout), True
    if ended:
        assert its.rollout.state == "aborted"


def test_a_number_and_a_share_say_how_many_have_it_at_the_end_of_the_step() -> None:
    its = world([Step(rows=2), Step(share=50.0)], rows=12)
    sizes = []
    for _ in range(12):
        its.look()
        its.happens(("all ready", 0))
        sizes.append(sum(row.revision == NEW for row in its.rows.values()))

    assert list(dict.fromkeys(sizes)) == [2, 6, 12]
    assert its.assigned_at == [0] * 2 + [1] * 4 + [2] * 6
    assert [step.total for step in its.rollout.steps] == [2, 4, 6]


def test_a_step_waits_for_its_rows_to_do_well_for_the_time_and_again_if_one_stops_to() -> None:
    its = world([Step(rows=1)], rows=2, hold=60)
    its.look()
    its.look()
    assert its.rollout.step.state == "delivering"
    its.happens(("all ready", 0))
    its.look()
    assert (its.rollout.state, its.rollout.step.state) == ("holding", "holding")
    its.now += timedelta(seconds=59)
    unsettled = replace(its.seen(), steps=[Counts(1, 1, 0, 0, unsettled=1), Counts()])
    again = advance(its.rollout, unsettled, its.now)
    assert (again.state, again.step.state) == ("running", "delivering")

    its.look()
    assert its.rollout.place == 0
    its.now += timedelta(seconds=1)
    its.look()
    assert its.rollout.place == 1


def test_more_failures_than_the_limit_stop_it_with_the_words_of_one_and_a_larger_limit_lets_it_go_on() -> None:
    its = world([Step(rows=3)], rows=4, limit=1)
    its.look()
    for row in list(its.rows.values())[:2]:
        row.told = row.failed = True
    stopped = advance(its.rollout, replace(its.seen(), failing="tenants/a at k8s: no quota"), its.now)

    assert (stopped.state, stopped.why) == (
        "stopped",
        "2 rows have failed, and the limit is 1; tenants/a at k8s: no quota",
    )
    assert advance(resume(stopped, its.now), its.seen(), its.now).state == "stopped"
    assert advance(resume(stopped, its.now, 2), its.seen(), its.now).state == "running"


def test_rows_on_their_way_leave_no_room_beyond_their_number() -> None:
    its = replace(begin([], 0, 0), steps=[Step(share=100.0, state="assigning")])

    def left(on_their_way: int) -> int:
        return room(its, Seen(100_000, 90_000, [Counts(10_000)], on_their_way))

    assert [left(number) for number in (0, 600, 1_000, 5_000)] == [500, 400, 0, 0]
    assert room(pause(its), Seen(10, 10, [Counts()])) == 0


def test_the_last_row_of_a_transaction_that_is_still_open_is_waited_for() -> None:
    its = world([], rows=0)
    states = []
    for _ in range(2):
        its.look()
        states.append(its.rollout.state)
    assert states == ["running", "done"]

    its = world([], rows=0)
    for why in (None, core.OPEN):
        its.rollout = advance(its.rollout, replace(its.seen(), switched=False), its.now)
        assert (its.rollout.state, its.rollout.why) == ("running", why)
        its.now += timedelta(seconds=11)
    its.look()
    its.look()
    assert (its.rollout.state, its.rollout.why) == ("done", None)


def test_a_renderer_that_is_deleted_has_nothing_to_roll_out() -> None:
    its = world([])
    ended = advance(its.rollout, replace(its.seen(), there=False), its.now)

    assert (ended.state, ended.why) == ("aborted", "the renderer was deleted")


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        ("running", {"pause", "abort", "roll_back"}),
        ("holding", {"pause", "abort", "roll_back"}),
        ("paused", {"resume", "abort", "roll_back"}),
        ("stopped", {"resume", "abort", "roll_back"}),
        ("done", {"roll_back"}),
        ("aborted", {"roll_back"}),
        ("rolling-back", {"abort"}),
        ("rolled-back", set()),
    ],
)
def test_what_makes_no_sense_is_refused(state: Any, possible: set[str]) -> None:
    its = replace(begin([], 0, 0), state=state)
    commands = {"pause": pause, "resume": lambda one: resume(one, START), "abort": abort, "roll_back": roll_back}
    done = set()
    for name, command in commands.items():
        with suppress(RolloutError):
            command(its)
            done.add(name)

    assert done == possible
