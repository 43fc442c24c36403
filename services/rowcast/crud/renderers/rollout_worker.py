"""Drives roll-outs: any instance of crud looks at each that is under way, one at a time, and gives rows the revision.

All that it knows is in the database: what becomes of a roll-out and the rows that go on by it are one transaction.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import orjson
from anyio import to_thread
from sqlalchemy import Connection, Engine, RowMapping, func, select, text

from rowcast.core.errors import TransientError
from rowcast.core.rollout import ALL, GIVING, UNDER_WAY, Rollout, Seen, Step, advance, room, rows_wanted
from rowcast.core.shapes import shape_of
from rowcast.crud.database.background import repeat
from rowcast.crud.database.connections import changing, name_approver
from rowcast.crud.database.tables import rollouts, rows
from rowcast.crud.renderers import revisions
from rowcast.crud.renderers.rollout_between import Between, given_by
from rowcast.crud.renderers.rollout_progress import seen
from rowcast.crud.renderers.rollouts import approver, as_rollout, save
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.filters import RowFilters

IDLE_SECONDS, ASSIGNING_SECONDS, NEXT_SECONDS = 1.0, 0.25, 0.05
"""Until the next look: the longest, while rows wait for room, and while there are rows to write."""
TAKE_OVER_SECONDS = 5.0
"""After which time another instance takes a roll-out over whose rows nobody gives the revision any more."""
LOOKED_AT = 2_000
"""Rows that are held against filters in one look."""
_NOW = text("SELECT now()")
_ASSIGN = text("SELECT rowcast.assign_revision(:id, :step, :keys)")
_GIVEN = text("SELECT key FROM rowcast.rollout_rows WHERE rollout = :id AND key = ANY (:keys) AND assigned_at = now()")
_SWITCH = text("SELECT rowcast.switch_revision(:id)")


class RolloutWorker:
    """Looks at the roll-outs until it is cancelled."""

    def __init__(self, engine: Engine, targets: Sequence[str]) -> None:
        """`targets` are all that have to tell of a row."""
        self._engine = engine
        self._targets = targets
        self._known: dict[int, Between] = {}
        self._elsewhere: dict[int, tuple[tuple[int, ...], float]] = {}

    async def run(self) -> None:
        """Again and again, as `repeat` does."""
        waits, fails = "roll-outs wait for the database", "roll-outs not looked at, trying again"
        await repeat(self._step, IDLE_SECONDS, logger="rowcast.crud.rollouts", waits=waits, fails=fails)

    async def _step(self) -> float:
        started = time.monotonic()
        due = await to_thread.run_sync(self.look_at_all)
        took = time.monotonic() - started
        # Rows that are written have half of the time; counting alone a fifth.
        return max(due, took if due < IDLE_SECONDS else 4 * took)

    def look_at_all(self) -> float:
        """In how many seconds there is more to do. Raises what went wrong with some, after all had their turn."""
        with changing(self._engine) as connection:
            query = select(rollouts).where(rollouts.c.state.in_(UNDER_WAY)).order_by(rollouts.c.id)
            found = {kept["id"]: as_rollout(kept) for kept in connection.execute(query).mappings()}
        self._known = {number: self._known.get(number) or Between() for number in found}
        self._elsewhere = {number: since for number, since in self._elsewhere.items() if number in found}
        due, wrong = IDLE_SECONDS, list[Exception]()
        for number, rollout in found.items():
            if self._is_at_it_elsewhere(number, rollout):
                continue
            try:
                with changing(self._engine) as connection:
                    due = min(due, look(connection, number, self._targets, self._known[number]))
            except Exception as error:
                self._known[number] = Between()  # it may remember what was not committed
                wrong.append(error)
        if wrong:
            raise next((each for each in wrong if not isinstance(each, TransientError)), wrong[0])
        return due

    def _is_at_it_elsewhere(self, number: int, rollout: Rollout) -> bool:
        """Whether another instance gives its rows the revision, which knows more of them than this one."""
        known = self._known[number]
        if not known.has_looked or known.is_as_left(rollout):
            return False
        now, (as_was, since) = time.monotonic(), self._elsewhere.get(number, ((), 0.0))
        if as_was != given_by(rollout):
            self._elsewhere[number] = (given_by(rollout), now)
            return True
        return now - since < TAKE_OVER_SECONDS


def look(connection: Connection, number: int, targets: Sequence[str], known: Between | None = None) -> float:
    """Bring a roll-out forward as far as it is due; in how many seconds there is more to do. One transaction.

    Nothing happens to one that another instance is looking at. What is `known` of it is good for nothing any more where
    the transaction isn't committed. Raises DBAPIError.
    """
    known = known or Between()
    query = select(rollouts).where(rollouts.c.id == number, rollouts.c.state.in_(UNDER_WAY))
    kept = connection.execute(query.with_for_update(skip_locked=True)).mappings().one_or_none()
    if kept is None:
        known.leave()
        return IDLE_SECONDS
    before = as_rollout(kept)
    now: datetime = connection.execute(_NOW).scalar_one()
    facts = known.facts(connection, kept, before, targets)
    after = advance(before, facts, now) if facts is not None else before
    if facts is None or _states(after) != _states(before):
        began = time.monotonic()
        facts = seen(connection, kept, before, targets)
        known.counted(connection, kept, targets, facts, time.monotonic() - began)
        after = advance(before, facts, now)
    if after != before:
        save(connection, number, before, after)
    known.left(after)
    if after.state not in GIVING:
        return IDLE_SECONDS
    if (after.new_rows_follow or after.state == "rolling-back") and not facts.switched:
        connection.execute(_SWITCH, {"id": number})
    if after.state != "rolling-back" and kept["approved_by"] is not None:
        name_approver(connection, approver(kept))
    assigned, looked = _assign(connection, kept, after, facts, known)
    if looked != after:
        save(connection, number, after, looked)
        known.left(looked)
    if assigned or after.step.state != before.step.state or looked.step.looked != after.step.looked:
        return NEXT_SECONDS
    return ASSIGNING_SECONDS if after.step.state == "assigning" else IDLE_SECONDS


def _states(rollout: Rollout) -> tuple[object, ...]:
    return (rollout.state, *(step.state for step in rollout.steps))


def _assign(
    connection: Connection, kept: RowMapping, rollout: Rollout, facts: Seen, known: Between
) -> tuple[int, Rollout]:
    """Give rows the revision, as many as there is room for; how many have got it, and how it is after that."""
    most, place, step = room(rollout, facts), rollout.place, rollout.step
    if not most:
        return 0, rollout
    if rollout.state == "rolling-back":
        keys = _going_back(connection, kept, most)
        return _write(connection, kept, len(rollout.steps) - 1, keys, known), rollout
    assigned, wanted = 0, rows_wanted(step, facts)
    if wanted and step.share == ALL:
        keys = _behind(connection, kept, _of_all(kept), min(most, wanted))
        assigned = _write(connection, kept, place, keys, known)
    elif wanted:
        # Of some rows the first in an order that has nothing to do with them, so that they are of all sorts.
        keys = known.next(min(most, wanted), partial(_behind, connection, kept, (func.md5(rows.c.key),)))
        assigned = _write(connection, kept, place, keys, known)
        if not assigned:
            known.look_up_next()  # another instance has given them the revision, or a filter, or somebody changes them
    filtered = any(each.filter is not None for each in rollout.steps[: place + 1])
    if filtered and step.share != ALL and assigned < most:
        more, rollout = _filtered(connection, kept, rollout, most - assigned, known)
        assigned += more
    return assigned, _with_step(rollout, replace(rollout.step, assigned=rollout.step.assigned + assigned))


def _filtered(
    connection: Connection, kept: RowMapping, rollout: Rollout, most: int, known: Between
) -> tuple[int, Rollout]:
    """Rows that a filter takes of a step that has come. Once at the end, it begins again: rows are made and changed."""
    place, step = rollout.place, rollout.step
    query = _rows_behind(kept, rows.c.key, rows.c.row).where(rows.c.key > step.after)
    chunk = connection.execute(query.order_by(rows.c.key).limit(LOOKED_AT)).all()
    filters = _filters(connection, kept, rollout)
    taken: dict[int, list[str]] = {}
    count, after = 0, step.after
    for key, row in chunk:
        if count == most:
            break
        after = key
        its = filters.first(row, place + 1)
        if its is not None:
            taken.setdefault(its, []).append(key)
            count += 1
    assigned = sum(_write(connection, kept, its, keys, known) for its, keys in taken.items())
    if assigned < count:
        return assigned, rollout  # somebody is changing the others: they are looked at again
    ended = len(chunk) < LOOKED_AT and (not chunk or after == chunk[-1][0])
    step = replace(step, after="" if ended else after, looked=step.looked or ended)
    return assigned, _with_step(rollout, step)


def _with_step(rollout: Rollout, step: Step) -> Rollout:
    place = rollout.place
    return replace(rollout, steps=[*rollout.steps[:place], step, *rollout.steps[place + 1 :]])


def _write(connection: Connection, kept: RowMapping, place: int, keys: Sequence[str], known: Between) -> int:
    if not keys:
        return 0
    number: int = connection.execute(_ASSIGN, {"id": kept["id"], "step": place, "keys": list(keys)}).scalar_one()
    given: Sequence[str] = keys
    if number != len(keys):  # others are deleted, have it, or are being changed by somebody
        given = connection.execute(_GIVEN, {"id": kept["id"], "keys": list(keys)}).scalars().all()
    known.gave(given, back=kept["state"] == "rolling-back")
    return number


def _rows_behind(kept: RowMapping, *columns: Any) -> Any:
    return select(*columns).where(
        rows.c.renderer == kept["renderer"],
        rows.c.generation > 0,
        ~rows.c.deleted,
        rows.c.revision != kept["revision"],
    )


def _of_all(kept: RowMapping) -> Sequence[Any]:
    """As the index has them, from the end at which no row has the revision yet: it would be read over each time."""
    ahead = kept["revision"] > kept["former"]
    return (rows.c.revision, rows.c.key) if ahead else (rows.c.revision.desc(), rows.c.key.desc())


def _behind(connection: Connection, kept: RowMapping, order: Sequence[Any], most: int) -> Sequence[str]:
    return connection.execute(_rows_behind(kept, rows.c.key).order_by(*order).limit(most)).scalars().all()


_GOING_BACK = text("""
SELECT row.key FROM rowcast.rows AS row
LEFT JOIN rowcast.rollout_rows AS given ON given.rollout = :id AND given.key = row.key
WHERE row.renderer = :renderer AND NOT row.deleted AND row.revision = :revision AND coalesce(given.step, 0) >= 0
ORDER BY row.key LIMIT :most
""")


def _going_back(connection: Connection, kept: RowMapping, most: int) -> Sequence[str]:
    return connection.execute(_GOING_BACK, {**kept, "most": most}).scalars().all()


def _filters(connection: Connection, kept: RowMapping, rollout: Rollout) -> RowFilters:
    declared = revisions.revision(connection, kept["renderer"], kept["revision"])
    if declared is None:
        raise LookupError(f"there is no revision {kept['revision']} of {kept['renderer']}")
    shape = orjson.dumps(declared["shape"], option=orjson.OPT_SORT_KEYS)
    return _compiled(declared["text"], shape, tuple(step.filter for step in rollout.steps))


@lru_cache(maxsize=16)
def _compiled(declaration: str, shape: bytes, filters: tuple[str | None, ...]) -> RowFilters:
    columns = shape_of(orjson.loads(shape))
    return RowFilters(read_renderer(declaration, columns), columns, filters)
