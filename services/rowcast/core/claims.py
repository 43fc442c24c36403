"""Rows of one batch that want what other rows have: who waits, who is tried again, and who swaps. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from rowcast.core.plan import Held
from rowcast.core.render import Desired
from rowcast.core.row import RowKey


class Claims:
    """What of a batch is tried again, since somebody may have let go of what it wants.

    Two rows that swap their names would wait for each other for ever. Where all that is left of a batch waits, each
    takes what another of these has and wants no more: the table has given it away. Nobody takes what a row still wants,
    or what a row has that isn't among them: of that it isn't known whether it will let go. Whoever tries again asks the
    table, and brings that row in (`Settling`).
    """

    def __init__(self, batch: Sequence[Desired], wanted: Callable[[Desired], Set[str]]) -> None:
        """`wanted` gives the places of a row's manifests, by which targets name what they hold."""
        self._tried = len(batch)
        self._wanted = wanted
        self._swapping: dict[RowKey, Set[str]] = {}

    def is_left(self, held: Held) -> bool:
        """Whether a row's object may be overwritten by another row."""
        return held.row in self._swapping and held.key not in self._swapping[held.row]

    def again(self, waiting: Sequence[Desired]) -> Sequence[Desired]:
        """Which of those to try again that were tried, and wait for what another one has; none when it is of no use."""
        if not waiting or self._swapping:
            return ()
        if len(waiting) < self._tried:
            self._tried = len(waiting)
        elif len(waiting) > 1:
            self._swapping = {desired.row: self._wanted(desired) for desired in waiting}
        else:
            return ()
        return waiting
