"""Which watch events are not the echo of our own writes: somebody else has touched an object of ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rowcast.core.ports import DriftListener
from rowcast.core.row import RowKey
from rowcast.sync.targets.kubernetes.objects import Live, View

ECHO_SECONDS = 0.5
"""How long the answer to a write of ours may come after its watch event; also gathers what a hand does in a row."""


@dataclass(frozen=True, slots=True)
class _Suspect:
    """`first` is the version with which the suspicion began: whoever goes on editing does not put it off."""

    row: RowKey
    first: int
    last: int


class Suspects:
    """Objects that changed without our doing, told to the listener once our own writes had time to explain them."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._listener: DriftListener | None = None
        self._open: dict[str, _Suspect] = {}

    def listen(self, listener: DriftListener) -> None:
        """Whom to tell."""
        self._listener = listener

    def see(self, live: Live, deleted: bool) -> None:
        """Judge an event before the view takes it in."""
        row = None if self._listener is None else self._suspicious(live, deleted)
        if row is None:
            return
        known = self._open.get(live.key)
        if known is None:
            asyncio.get_running_loop().call_later(ECHO_SECONDS, self._tell, live.key, live.version)
        self._open[live.key] = _Suspect(row, known.first if known else live.version, live.version)

    def explain(self, key: str, version: int | None = None) -> None:
        """A write of ours has made what is at `key`; a deletion has no version."""
        suspect = self._open.get(key)
        if suspect is not None and (version is None or suspect.last <= version):
            del self._open[key]

    def _suspicious(self, live: Live, deleted: bool) -> RowKey | None:
        known = self._view.at(live.key)
        if known is not None and known.version >= live.version:
            return None
        before = known.held if known is not None else None
        if live.remarked:
            # Whose it is, if anybody knows: by its marks it would be somebody else's now.
            return live.held.row if live.held is not None else None
        if deleted or live.held is None:
            return before.row if before is not None else None
        held = live.held
        same_row = before is not None and before.row == held.row
        # A newer generation is another instance's delivery; the same content is somebody's own label, or a status.
        if same_row and before is not None and (held.generation > before.generation or held == before):
            return None
        return held.row

    def _tell(self, key: str, first: int) -> None:
        suspect = self._open.get(key)
        if suspect is None or suspect.first != first or self._listener is None:
            return
        del self._open[key]
        self._listener(suspect.row)
