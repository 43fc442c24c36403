"""What is told of rows that are proposed: each time that it is something else."""

from __future__ import annotations

from collections.abc import Iterable, Set

from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News, NewsListener
from rowcast.core.row import RowKey
from rowcast.sync.targets.git.proposals.overlay import Overlay, Proposed

PROPOSED = "proposed"


class Telling:
    """`tip` is the proposal's commit, `link` its request's URL; `trouble` is why a person has to act, if so."""

    def __init__(self) -> None:
        self.listener: NewsListener = lambda _news: None
        self.tip: str | None = None
        self.link: str | None = None
        self.trouble: str | None = None
        self._told: dict[RowKey, tuple[int, str | None, str | None]] = {}

    def delivered(self, outcome: Outcome, new: bool = False, fence: int = 0) -> Delivered:
        """What became of a row that is proposed."""
        stage = None if self.trouble else PROPOSED
        return Delivered(outcome, self.tip, new, fence, stage=stage, link=self.link, trouble=self.trouble)

    def rows(self, overlay: Overlay, besides: Set[RowKey]) -> None:
        """Tell of each row that is proposed, when there is news: of others than those that are being delivered."""
        news = []
        for row, one in overlay.rows.items():
            state = (one.generation, self.link, self.trouble)
            if self._told.get(row) != state and row not in besides:
                news.append(_news(one, self.delivered(one.outcome)))
            self._told[row] = state
        self._tell(news)

    def merged(self, rows: Iterable[Proposed], commit: str | None) -> None:
        """Tell of rows that the branch has now, at that commit."""
        news = []
        for one in rows:
            self._told.pop(one.row, None)
            news.append(_news(one, Delivered(one.outcome, commit)))
        self._tell(news)

    def _tell(self, news: list[News]) -> None:
        if news:
            self.listener(news)


def _news(one: Proposed, result: Delivered) -> News:
    return News(one.row, one.name, one.generation, one.deleted, result, one.saved_at)
