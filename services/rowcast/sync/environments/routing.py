"""Several targets behind one: each environment's rows go to the target that its route names.

A row that moves to another environment is put at its new place before it is taken from the old one; where another
instance has the new place, it waits here until it has arrived there (`handover.py`). Its generation is
the fence at all of them: what any of them has of a row fends off older states of it everywhere. Where a place has
nothing of a row and the table knows better, `Hindsight` finds out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rowcast.core.errors import TransientError
from rowcast.core.gitops import Behind, Committing
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Tombstones
from rowcast.core.ports import Delivered, DriftListener, Failed, News, NewsListener, Result
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import HeldInventory, Inventory
from rowcast.core.render import Desired
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need, Permitting
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.environments.handover import Departures, Register
from rowcast.sync.environments.place import Make, Place

RouteOf = Callable[[str], str | None]
"""From an environment to the name of its route; None where its rows are delivered by somebody else, or by nobody."""


class Routing:
    """The `Target` port over others. `targets` makes at least one, by the name of its route."""

    def __init__(
        self, name: str, targets: Mapping[str, Make], route_of: RouteOf, register: Register | None = None
    ) -> None:
        """Without a `register` of what other targets have, rows that leave for them are taken away at once."""
        self._name = name
        self._places = {route: Place(route, make) for route, make in targets.items()}
        self._route_of = route_of
        self._gone = Tombstones()
        self._doubtful: set[RowKey] = set()
        ours: Callable[[str], bool] = lambda environment: route_of(environment) is not None  # noqa: E731
        self._departures = Departures(name, register, ours, self._take) if register is not None else None
        self._log = get_logger("rowcast.target")

    @property
    def name(self) -> str:
        """The name of the instance's target, whatever the route."""
        return self._name

    def expect(self, desired: Desired) -> Sequence[Held]:
        """What the row's own route will hold; nothing where its environment has none. Once that is started."""
        place = self._place(desired)
        if place is None:
            return []
        if place.target is None:
            raise TransientError(f"{place.route}: not ready")
        return place.named(place.target.expect(desired))

    def known(self, row: RowKey) -> Sequence[Held]:
        """What all of them are known to hold of a row."""
        return [held for place in self._places.values() for held in place.named(place.known(row))]

    def listen(self, listener: DriftListener) -> None:
        """Tell of drift at any of them."""
        for place in self._places.values():
            place.listener = listener

    def tell(self, listener: NewsListener) -> None:
        """Tell what becomes of rows later at any of them; not that one is gone from a place that it has only left."""

        def told(news: Sequence[News]) -> None:
            listener([one for one in news if not (one.deleted and self.known(one.row))])

        for place in self._places.values():
            place.news = told
        if self._departures is not None:
            self._departures.listener = listener

    async def start(self) -> None:
        """Start all that can be. Raises TransientError when none can."""
        if self._departures is not None:
            self._departures.start()
        errors = await _all(place.ready() for place in self._places.values())
        for error in errors:
            self._log.warning("a route is not ready, its rows wait", error=str(error))
        if len(errors) == len(self._places):
            raise errors[0]

    async def close(self) -> None:
        """Close all of them."""
        if self._departures is not None:
            await self._departures.close()
        await asyncio.gather(*(place.close() for place in self._places.values()))

    async def check(self) -> None:
        """Ask all of them. Raises RowcastError with the first cause."""
        for place in self._places.values():
            await (await place.ready()).check()

    async def lacking(self, renderers: Sequence[Renderer]) -> Sequence[Need]:
        """What each of them lacks that needs rights; one that isn't ready is the first to be told of otherwise."""
        found: list[Need] = []
        for place in self._places.values():
            if place.started and isinstance(place.target, Permitting):
                found += [replace(need, place=place.route) for need in await place.target.lacking(renderers)]
        return found

    async def inventory(self) -> Inventory:
        """What all of them hold; a part would make the rest look missing. Raises TransientError."""
        parts = await asyncio.gather(*(place.inventory() for place in self._places.values()))
        return HeldInventory(held for part in parts for held in part)

    async def preview(self, desired: Desired) -> Preview:
        """As the row's route would have it; empty where its environment has none."""
        place = self._place(desired)
        if place is None:
            return Preview("", "", None)
        found = await (await place.ready()).preview(desired)
        return found if found.live is not None else replace(found, live=await self.live(desired.row))

    async def live(self, row: RowKey) -> Shown | None:
        """What the first route that has something of the row has. Raises TransientError."""
        for place in self._places.values():
            found = await (await place.ready()).live(row)
            if found is not None:
                return found
        return None

    async def behind(self, revision: str, names: Collection[str]) -> Behind | None:
        """As the one branch has it; None where there are several, of which no single commit tells."""
        if len(self._places) != 1:
            return None
        (place,) = self._places.values()
        target = await place.ready()
        return await target.behind(revision, names) if isinstance(target, Committing) else None

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Put rows at their places, then take them from all others."""
        results: dict[RowKey, Result] = {}
        for one in batch:
            fence = self._fence(one.row)
            if one.generation < fence and not (one.authoritative and fence <= one.supersedes):
                results[one.row] = Delivered(Outcome.STALE, fence=fence)
        fresh = [one for one in batch if one.row not in results]
        results |= await self._take_what_came_late([one for one in batch if one.row in results and one.deleted])
        results |= await self._put([one for one in fresh if not one.deleted])
        put = {row for row, result in results.items() if isinstance(result, Delivered)}
        leaving = [one for one in fresh if one.deleted or one.row in put]
        return await self._leave([one for one in leaving if not _stale(results.get(one.row))], results)

    async def _take_what_came_late(self, stale: Sequence[Desired]) -> dict[RowKey, Result]:
        """A place may hold what is older than the deletion that it had: a stale deletion tells it to look.

        Failures are the rows' results; else they stay stale.
        """
        parts = [(place, [one for one in stale if place.known(one.row)]) for place in self._places.values()]
        found = await asyncio.gather(*(place.deliver(part) for place, part in parts if part))
        return {row: result for part in found for row, result in part.items() if isinstance(result, Failed)}

    def _fence(self, row: RowKey) -> int:
        gone = self._gone.get(row) or 0
        held = (held for place in self._places.values() for held in place.known(row))
        left = self._departures.generation(row) if self._departures is not None else 0
        return max(left, max((one.generation for one in held), default=gone))

    async def _put(self, batch: Sequence[Desired]) -> dict[RowKey, Result]:
        """Deliver rows to their own places, those of different routes at once."""
        results: dict[RowKey, Result] = {}
        parts: dict[str, list[Desired]] = {}
        for one in batch:
            place = self._place(one)
            if place is None:
                self._gone.bury(one.row, one.generation)
                results[one.row] = self._leave_for_others(one)
            else:
                self._gone.forget(one.row)
                self._stays(one.row)
                parts.setdefault(place.route, []).append(one)
        for found in await asyncio.gather(*(self._places[route].deliver(part) for route, part in parts.items())):
            results |= found
        return results

    def _leave_for_others(self, one: Desired) -> Delivered:
        """A place that isn't started may have it or not: that is found out first."""
        started = all(place.started for place in self._places.values())
        if self._departures is None or not started or not self.known(one.row):
            return Delivered(Outcome.ELSEWHERE)
        return self._departures.wait(one)

    def _stays(self, row: RowKey) -> None:
        if self._departures is not None:
            self._departures.forget(row)

    async def _take(self, rows: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Take rows from wherever they are. A failure at one place is the row's."""
        results: dict[RowKey, Result] = {}
        places = self._places.values()
        for found in await asyncio.gather(*(place.deliver(rows) for place in places)):
            results |= {row: result for row, result in found.items() if not isinstance(results.get(row), Failed)}
        return results

    async def _leave(self, rows: Sequence[Desired], results: dict[RowKey, Result]) -> dict[RowKey, Result]:
        """Take rows from where they do not belong, and deletions from everywhere; `results` is brought forward."""
        deleted = {one.row for one in rows if one.deleted}
        for row in deleted:
            self._stays(row)

        async def leave(place: Place) -> Mapping[RowKey, Result]:
            gone = [
                one.removed(elsewhere=not one.deleted) for one in rows if self._leaves(place, one, results.get(one.row))
            ]
            return await place.deliver(gone) if gone else {}

        for found in await asyncio.gather(*(leave(place) for place in self._places.values())):
            for row, result in found.items():
                results[row] = _removed(results.get(row), result) if row in deleted else _moved(results[row], result)
        for one in rows:
            # What comes again is new no more, but may be at the old place still.
            (self._doubtful.add if isinstance(results[one.row], Failed) else self._doubtful.discard)(one.row)
        return results

    def _leaves(self, place: Place, one: Desired, result: Result | None) -> bool:
        """A deletion is told to all, so that each remembers it. Where we can't know, we ask for what is new here."""
        if one.deleted:
            return True
        if place is self._place(one) or self._waits(one.row):
            return False
        if place.started:
            return bool(place.known(one.row))
        first = isinstance(result, Delivered) and (result.new or result.outcome is Outcome.ELSEWHERE)
        return first or one.row in self._doubtful

    def _waits(self, row: RowKey) -> bool:
        return self._departures is not None and self._departures.generation(row) > 0

    def _place(self, desired: Desired) -> Place | None:
        route = self._route_of(desired.environment)
        return None if route is None else self._places[route]


def _moved(here: Result, there: Result) -> Result:
    """What became of a row that was put at its place and taken from another: a failure of either is a failure."""
    if isinstance(here, Failed) or isinstance(there, Failed):
        return here if isinstance(here, Failed) else there
    if there.outcome is Outcome.DELETED and here.outcome in (Outcome.CREATED, Outcome.UNCHANGED):
        return replace(here, outcome=Outcome.CONFIGURED)
    return here


def _removed(here: Result | None, there: Result) -> Result:
    """What became of a deletion at all places: it counts as deleted where there was something to delete."""
    if here is None or isinstance(there, Failed):
        return there
    if isinstance(here, Failed):
        return here
    order = (Outcome.DELETED, Outcome.STALE, Outcome.UNCHANGED)
    return min(here, there, key=lambda result: order.index(result.outcome))


def _stale(result: Result | None) -> bool:
    return isinstance(result, Delivered) and result.outcome is Outcome.STALE


async def _all(work: Iterable[Coroutine[Any, Any, object]]) -> list[TransientError]:
    """Do all of it; the errors of what failed. Raises whatever is no TransientError."""
    errors = []
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, TransientError):
            errors.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
    return errors
