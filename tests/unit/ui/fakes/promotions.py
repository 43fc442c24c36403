"""Promotions in memory: a board that a test sets, and what was asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from client.errors import RefusedError
from login.identity import Who
from promotion.models import Board, Request, Result, Seen


@dataclass
class Boards:
    """By renderer: its board, and what waits; `results` is what a preview says. `promoted` and `decided` are asked."""

    boards: dict[str, Board] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    requests: tuple[Request, ...] = ()
    promoted: list[Seen] = field(default_factory=list)
    decided: list[tuple[int, bool, str, str]] = field(default_factory=list)
    refusal: str | None = None


class FakePromotions:
    """What CrudClient does for the page."""

    @property
    def _boards(self) -> Boards:
        raise NotImplementedError

    @property
    def _person_now(self) -> Who:
        raise NotImplementedError

    def promotion_board(
        self, renderer: str, search: str = "", differs: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Board:
        board = self._boards.boards.get(renderer, Board(why="nothing says in which order"))
        found = tuple(group for group in board.items if search in " ".join(group.match.values()))
        if differs:
            found = tuple(group for group in found if any(place.fields for place in group.places))
        return replace(board, items=found[:limit], total=len(found))

    def promotion_preview(self, renderer: str, keys: Sequence[str]) -> tuple[Result, ...]:
        return tuple(result for result in self._boards.results if not keys or result.seen.to_key in keys)

    def promote(self, renderer: str, wanted: Sequence[Seen]) -> tuple[Result, ...]:
        self._boards.promoted.extend(wanted)
        by_seen = {result.seen: result for result in self._boards.results}
        if self._boards.refusal:
            return tuple(replace(by_seen[each], outcome="refused", why=self._boards.refusal) for each in wanted)
        return tuple(replace(by_seen[each], outcome="promoted") for each in wanted)

    def promotion_requests(self, renderer: str) -> tuple[Request, ...]:
        return self._boards.requests

    def decide_promotion(self, renderer: str, number: int, approved: bool, why: str = "") -> None:
        [request] = [request for request in self._boards.requests if request.id == number]
        if approved and request.asked_by == self._person_now.person:
            raise RefusedError(403, "Forbidden", f"{request.asked_by} has asked for it: somebody else has to approve")
        self._boards.decided.append((number, approved, why, self._person_now.person))
        self._boards.requests = ()
