"""A roll-out's rows between two counts of all of them, which take the longer the more rows have the revision."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, replace

from sqlalchemy import Connection, RowMapping

from rowcast.core.rollout import Counts, Rollout, Seen
from rowcast.crud.renderers import rollout_progress as progress

REST = 4
"""So many times as long as a count took it is gone by."""
QUEUED = 20_000


class Between:
    """What one process remembers of a roll-out that it brings forward: what it has counted, and the `open` rows.

    Open is a row that this process has given the revision, until it is ready or has failed at all targets. Each look
    asks for these alone. One that fails has all counted again at once; a row that was ready and fails later is seen by
    the next count. Nothing is decided by it but how many rows there is room for: for a step's end, or the roll-out's,
    all are counted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rest: Seen | None = None
        """What was counted, without the open ones."""
        self._state = ""
        self._until = 0.0
        self._open: set[str] = set()
        self._queue: deque[str] = deque()
        self._assigned: tuple[int, ...] | None = None

    def left(self, rollout: Rollout) -> None:
        """How it is after this process' look: whoever looks next and gives rows the revision leaves it otherwise."""
        self._assigned = given_by(rollout)

    def leave(self) -> None:
        """Somebody else has it just now."""
        if not self.has_looked:
            self._assigned = ()

    @property
    def has_looked(self) -> bool:
        """Whether this process has looked at it, or tried to."""
        return self._assigned is not None

    def is_as_left(self, rollout: Rollout) -> bool:
        """Whether nobody else has given rows the revision since; not before the first look."""
        return self._assigned == given_by(rollout)

    def facts(self, connection: Connection, kept: RowMapping, rollout: Rollout, targets: Sequence[str]) -> Seen | None:
        """As a count would have them, or None if there has to be one."""
        back = rollout.state == "rolling-back"
        giving = back or (rollout.state == "running" and rollout.step.state == "assigning")
        known = giving and rollout.state == self._state and self.is_as_left(rollout)
        if self._rest is None or not known or self._clock() >= self._until:
            return None
        found = progress.given(connection, kept, targets, self._open)
        if not back and any(row["state"] == progress.FAILED for row in found):
            return None
        facts = self._with(self._rest, found, 1)
        self._close(found)
        return facts if facts.going_back or not back else None

    def counted(
        self, connection: Connection, kept: RowMapping, targets: Sequence[str], facts: Seen, seconds: float
    ) -> None:
        """All were counted just now, within so many seconds."""
        found = progress.given(connection, kept, targets, self._open)
        self._state, self._until = kept["state"], self._clock() + REST * seconds
        self._rest = self._with(facts, found, -1)
        self._close(found)

    def gave(self, keys: Iterable[str], *, back: bool = False) -> None:
        """These rows were given the revision, or that back which they had."""
        given = set(keys)
        self._open |= given
        if self._rest is not None and back:
            # The steps that they were of have them until the next count.
            going_back = max(self._rest.going_back - len(given), 0)
            self._rest = replace(self._rest, behind=self._rest.behind + len(given), going_back=going_back)
        elif self._rest is not None:
            self._rest = replace(self._rest, behind=max(self._rest.behind - len(given), 0))

    def next(self, number: int, more: Callable[[int], Sequence[str]]) -> list[str]:
        """So many of the keys that are to have their turn, in an order that takes long to find: `more` gives some."""
        if not self._queue:
            self._queue.extend(more(max(QUEUED, number)))
        return [self._queue.popleft() for _ in range(min(number, len(self._queue)))]

    def look_up_next(self) -> None:
        """Forget which have their turn next."""
        self._queue.clear()

    def _close(self, found: Sequence[RowMapping]) -> None:
        """What has come to an end is among the rest from now on; so is what failed and was counted."""
        ended = [row for row in found if row["told"] and row["state"] in (progress.FAILED, progress.READY)]
        if self._rest is not None:
            self._rest = self._with(self._rest, ended, 1)
        self._open = {row["key"] for row in found} - {row["key"] for row in ended}

    def _with(self, facts: Seen, found: Iterable[RowMapping], times: int) -> Seen:
        """With these rows, or without them where `times` is -1."""
        steps = [list(astuple(counts)) for counts in facts.steps]
        untold = 0
        for row in found:
            if row["step"] < 0:
                continue
            untold += not row["told"]
            if row["has_it"]:
                state = row["state"]
                told = (1, state >= progress.UNREADY, state == progress.READY, state == progress.FAILED, 0)
                its = steps[row["step"]]
                steps[row["step"]] = [max(count + times * one, 0) for count, one in zip(its, told, strict=True)]
        on_their_way = max(facts.on_their_way + times * untold, 0)
        # A row is on its way back until its targets have told.
        going_back = max(facts.going_back + times * untold, 0) if self._state == "rolling-back" else 0
        counted = [Counts(*counts) for counts in steps]
        return replace(facts, steps=counted, on_their_way=on_their_way, going_back=going_back)


def given_by(rollout: Rollout) -> tuple[int, ...]:
    """How many rows each step has given the revision."""
    return tuple(step.assigned for step in rollout.steps)
