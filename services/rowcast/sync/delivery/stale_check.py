"""What an event can't know, and what it can't prove: asked of the table, where the target can't tell.

An object at the target stands guard for its row: its generation fends off whatever is older, by a precondition of the
write. A row that is gone has no guard, and nothing guards against an event that the row never had. What an instance
remembers of deletions ends with it, and another instance remembers its own. So the table is asked:

- before an event is delivered that takes something away or does not go on from what is known (`core/belief.py`), or is
  older than this instance: delivered twice around a restart, held by a broker, or replayed from the dead letters; or is
  of a row of which there is nothing, and comes late or out of order: where events have no order, the row's end may
  have overtaken it on its way to another instance;
- after something new was made of an event: another instance may have seen the row's end meanwhile. Then it is taken
  back, before the event counts as done. Until that is known, the event comes again. The same where the row has moved
  to another environment meanwhile: its guard may stand at another place.

Ids are never used twice, so what the table says of a row that is gone is true for ever. Updates, which in quiet times
are nearly all there is, ask nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rowcast.core.belief import Doubt, Known, Verdict, confirmed, doubt, judge, same_content
from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held
from rowcast.core.ports import Delivered, DriftListener, Failed, Result, Target, is_claimed, made_of
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.table.rows import Found, Table, find
from rowcast.sync.table.settling import Settling

ROWS_IN_A_LOG_LINE = 20
LATE = timedelta(seconds=2)
"""How old an event may be that begins a row, by both clocks, and be believed before the table is asked."""
REMEMBERED = 100_000
"""Rows whose last generation is remembered, for targets that don't hold them themselves."""


class Hindsight:
    """Delivers to a target what its events say and the table does not contradict."""

    def __init__(
        self,
        target: Target,
        table: Table,
        on_drift: DriftListener = lambda _: None,
        *,
        correct: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`on_drift` is told of rows of which the target has more than the table; it must return at once.

        `correct`: whether what others have changed at the target is put right when an event shows it.
        """
        self._target = target
        self._table = table
        self._settling = Settling(target, table)
        self._on_drift = on_drift
        self._correct = correct
        self._clock = clock
        self._began: int | None = None
        self._unproven: set[RowKey] = set()
        self._believed: OrderedDict[RowKey, int] = OrderedDict()
        self._log = get_logger("rowcast.delivery")

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """As `Target.deliver`, for at least one row.

        A row that is gone, or of which a newer state is on its way, is `stale`: whatever there is of it that is not
        newer is removed. For an event that the table contradicts the table's own state is delivered, and told.
        """
        results: dict[RowKey, Result] = {}
        judged: dict[RowKey, Desired] = {}
        news = list(batch)
        doubts = {one.row: why for one in batch if (why := await self._doubt(one)) is not None}
        if doubts:
            judged, results = await self._judge([one for one in batch if one.row in doubts], doubts)
            news = [judged.get(one.row, one) for one in batch if one.row not in results]
        if news:
            results |= await self._target.deliver(news)
            results |= await self._past_fences(judged.values(), results)
        claimed = [one for one in news if one.again and is_claimed(results[one.row])]
        if claimed:
            reached, told = await self._bring_in_holders(claimed)
            news = [reached.get(one.row, one) for one in news]
            results |= told
        given = {one.row: one for one in batch}
        self._unproven.difference_update(row for row in given if isinstance(results[row], Delivered))
        made = [one for one in news if not one.deleted and _is_new(results[one.row])]
        if made:
            results |= await self._prove(made)
        results |= {one.row: self._as_of(given[one.row], one, results[one.row]) for one in news}
        self._remember(batch, results)
        return results

    async def _doubt(self, one: Desired) -> Doubt | None:
        known = self._known(one.row)
        why = doubt(one, known, self._expected(one))
        if why is None and one.generation <= known.generation and one.row not in self._unproven:
            return None  # The target has it already: nothing will be written.
        if why in (None, Doubt.JUMP) and (one.row in self._unproven or await self._old(one)):
            return Doubt.OLD
        if why is None and not known.held and (one.generation <= known.believed or self._is_late(one)):
            return Doubt.OLD
        return why

    def _is_late(self, one: Desired) -> bool:
        if one.saved_at is None:
            return True
        try:
            return self._clock() - datetime.fromisoformat(one.saved_at) > LATE
        except (ValueError, TypeError, OverflowError):
            return True

    def _known(self, row: RowKey) -> Known:
        return Known(self._target.known(row), self._believed.get(row, 0))

    def _expected(self, one: Desired) -> Iterable[Held]:
        """Read only where it is compared. What can't be delivered says so when it is."""
        try:
            yield from self._target.expect(one)
        except RowcastError:
            yield from self._target.known(one.row)

    async def _old(self, desired: Desired) -> bool:
        """Whether a change is older than this instance, which begins with the first event that it is given."""
        if self._began is None:
            self._began = (await find(self._table, [desired.row])).lsn
        return desired.lsn <= self._began

    async def _judge(
        self, doubted: Sequence[Desired], doubts: Mapping[RowKey, Doubt]
    ) -> tuple[dict[RowKey, Desired], dict[RowKey, Result]]:
        """What to deliver in the stead of events, and the results of those that are not to be delivered."""
        known = {one.row: self._known(one.row) for one in doubted}
        try:
            found = await find(self._table, (one.row for one in doubted))
        except TransientError as error:
            return {}, {one.row: Failed(error) for one in doubted}
        judged: dict[RowKey, Desired] = {}
        results: dict[RowKey, Result] = {}
        gone = []
        for one in doubted:
            current = found.rows.get(one.row)
            verdict = judge(one, doubts[one.row], current, visible=found.shows(one.row, one.transaction))
            if verdict is Verdict.BELIEVE:
                judged[one.row] = confirmed(one, known[one.row]) if one.deleted else one
            elif verdict is Verdict.CORRECT:
                judged[one.row] = self._corrected(one, known[one.row])
            elif verdict is Verdict.TABLE and current is not None:
                judged[one.row] = replace(current, authoritative=True)
            elif verdict is Verdict.STALE:
                results[one.row] = Delivered(Outcome.STALE)
            elif verdict is Verdict.GONE:
                gone.append(one)
            elif verdict is Verdict.WAIT:
                results[one.row] = Failed(
                    TransientError(f"row {one.row}: the table does not show yet what was captured of it")
                )
        self._log_contradicted([one for one in doubted if _is_contradicted(one, found.rows.get(one.row), judged)])
        return judged, results | await self._take_away(gone, known, found)

    async def _take_away(
        self, gone: Iterable[Desired], known: Mapping[RowKey, Known], found: Found
    ) -> dict[RowKey, Result]:
        """Remove what the target has of rows that are gone, and tell it of the generation that goes: the event of the
        deletion may have come before, in one batch with this one, and been taken for older.
        """
        held = {one.row: replace(one, generation=known[one.row].generation) for one in gone}
        results = await self._remove(held.values(), found)
        return {
            row: replace(result, instead=held[row].removed(lsn=found.lsn))
            if isinstance(result, Delivered) and result.outcome is Outcome.DELETED
            else _as_stale(result)
            for row, result in results.items()
        }

    async def _past_fences(self, asked: Iterable[Desired], results: Mapping[RowKey, Result]) -> Mapping[RowKey, Result]:
        """Deliver once more what the table says, too, and a target that has nothing of the row fends off.

        What it remembers of the row is a generation that the row never came to: that of a forged event, say. Unless the
        row is gone it is given to the drift queue, which reads it again first.
        """
        deletions = []
        for one in asked:
            result = results[one.row]
            if not isinstance(result, Delivered) or result.fence <= one.generation or self._target.known(one.row):
                continue
            if one.deleted:
                deletions.append(replace(one, authoritative=True, supersedes=result.fence))
            else:
                self._on_drift(one.row)
        return await self._target.deliver(deletions) if deletions else {}

    def _corrected(self, one: Desired, known: Known) -> Desired:
        """A change that is later than what the target holds is news, at whatever generation; else somebody was there,
        and whether that is put right is a setting.
        """
        later = one.transaction is not None and one.lsn > max(held.lsn for held in known.held)
        if later or self._correct:
            return replace(one, authoritative=True)
        self._on_drift(one.row)
        return one

    def _as_of(self, given: Desired, made: Desired, result: Result) -> Result:
        """The result of an event, of which something else may have been made."""
        if made is given or not isinstance(result, Delivered):
            return result
        if result.fence and not made.deleted:
            self._on_drift(given.row)  # the target has more than the table: that takes a second look
        same = made.generation == given.generation and made.deleted == given.deleted
        return result if same and not given.deleted else replace(result, instead=made)

    def _remember(self, batch: Sequence[Desired], results: Mapping[RowKey, Result]) -> None:
        for one in batch:
            result = results[one.row]
            done = isinstance(result, Delivered) and result.outcome is not Outcome.STALE
            refused = isinstance(result, Failed) and isinstance(result.error, PermanentError)
            made = made_of(one, result)
            if made.deleted and done:
                self._believed.pop(one.row, None)
            elif done or refused:
                self._believed[one.row] = max(made.generation, self._believed.pop(one.row, 0))
        while len(self._believed) > REMEMBERED:
            self._believed.popitem(last=False)

    async def _bring_in_holders(self, claimed: Sequence[Desired]) -> tuple[dict[RowKey, Desired], dict[RowKey, Result]]:
        """Try rows that wait for what others have with these; what was delivered in the stead of events, and results.

        None of a row that the table doesn't show yet as its event does: it goes on waiting.
        """
        try:
            found = await find(self._table, (one.row for one in claimed))
            results = await self._take_back(claimed, found)
            current = {one.row: found.rows[one.row] for one in claimed if one.row in found.rows}
            settled = await self._settling.waiting(
                current[one.row]
                for one in claimed
                if one.row in current and current[one.row].generation >= one.generation
            )
        except TransientError:
            # They may have been delivered, and the table not been looked at again: it is before their next try.
            self._unproven.update(one.row for one in claimed)
            return {}, {}
        reached = {row: settled.results[row] for row in current if row in settled.results}
        made = {row: desired for row, (desired, _) in reached.items()}
        told = {
            row: Delivered(Outcome.STALE) if desired.deleted and isinstance(result, Delivered) else result
            for row, (desired, result) in reached.items()
        }
        return made, results | told

    async def _prove(self, made: Sequence[Desired]) -> dict[RowKey, Result]:
        self._unproven.update(one.row for one in made)
        try:
            found = await find(self._table, (one.row for one in made))
            results = await self._take_back(made, found) | await self._move_on(made, found)
        except TransientError as error:
            return {one.row: Failed(error) for one in made}
        self._unproven.difference_update(one.row for one in made if not isinstance(results.get(one.row), Failed))
        return results

    async def _move_on(self, made: Iterable[Desired], found: Found) -> dict[RowKey, Result]:
        """Deliver rows that the table has in another environment by now: it is that place which may guard them."""
        newer = [
            replace(found.rows[one.row], authoritative=True, supersedes=one.generation)
            for one in made
            if one.row in found.rows and _has_left(one, found.rows[one.row])
        ]
        results = await self._target.deliver(newer) if newer else {}
        return {row: _as_stale(result) for row, result in results.items()}

    async def _take_back(self, believed: Iterable[Desired], found: Found) -> dict[RowKey, Result]:
        """Remove what there is of rows that are gone; the results of these, and of those that can't be told yet."""
        return {row: _as_stale(result) for row, result in (await self._remove(believed, found)).items()}

    async def _remove(self, believed: Iterable[Desired], found: Found) -> dict[RowKey, Result]:
        """As `_take_back`, with the results as the target gives them."""
        results: dict[RowKey, Result] = {}
        gone = []
        for one in believed:
            try:
                if found.gone(one.row, one.transaction):
                    gone.append(one.removed(authoritative=True, lsn=found.lsn))
            except TransientError as error:
                results[one.row] = Failed(error)
        if gone:
            self._log.info("the table has these rows no more", count=len(gone), rows=_in_words(gone))
            results |= await self._target.deliver(gone)
        return results

    def _log_contradicted(self, events: Sequence[Desired]) -> None:
        if events:
            self._log.warning("the table contradicts events", count=len(events), rows=_in_words(events))


def _is_contradicted(event: Desired, current: Desired | None, judged: Mapping[RowKey, Desired]) -> bool:
    """Whether the table has a row that an event calls gone, or has it at a lower generation, or otherwise."""
    replaced = current is not None and event.row in judged and judged[event.row].row == current.row
    if not replaced or current is None or event.missing:
        return False
    return event.deleted or (event.generation >= current.generation and not same_content(event, current))


def _in_words(rows: Sequence[Desired]) -> list[str]:
    some = rows[:ROWS_IN_A_LOG_LINE]
    return [f"{one.row}@{one.generation}{' deleted' if one.deleted else ''}" for one in some]


def _as_stale(result: Result) -> Result:
    """Of an event that was overtaken there is nothing to tell but a failure."""
    return Delivered(Outcome.STALE) if isinstance(result, Delivered) else result


def _is_new(result: Result) -> bool:
    return isinstance(result, Delivered) and result.new


def _has_left(made: Desired, current: Desired) -> bool:
    return current.generation > made.generation and current.environment != made.environment
