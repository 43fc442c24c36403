"""`/deadletters`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.decoding import moment, required_moment
from client.sending import Sending
from dead_letters.models import Letter, LetterPage, LetterQuery


class DeadLetterCalls(Sending):
    """The calls of the page Dead letters."""

    def letters(self, query: LetterQuery) -> LetterPage:
        """Return one page of the dead letters that match."""
        wanted = {
            "limit": str(query.limit),
            "state": query.state,
            "target": query.target,
            "renderer": query.renderer,
            "key": query.key,
            "cursor": query.cursor or "",
        }
        return letter_page(
            self._send("GET", "/deadletters", params={key: value for key, value in wanted.items() if value})
        )

    def letter_event(self, letter_id: int) -> Any:
        """Return what was in one dead letter: any JSON."""
        return self._send("GET", f"/deadletters/{letter_id}")["event"]

    def replay(self, ids: tuple[int, ...], reason: str) -> None:
        """Deliver the events of open letters once more; a `reason` may be empty."""
        self._send("POST", "/deadletters:replay", body={"ids": ids, **({"reason": reason} if reason else {})})

    def discard(self, ids: tuple[int, ...], reason: str) -> None:
        """Take open letters off the list, for a reason."""
        self._send("POST", "/deadletters:discard", body={"ids": ids, "reason": reason})


def letter_page(content: Mapping[str, Any]) -> LetterPage:
    """Return the page of one list of dead letters."""
    return LetterPage(tuple(letter(item) for item in content["items"]), content.get("next_cursor"), content["total"])


def letter(content: Mapping[str, Any]) -> Letter:
    """Return one dead letter."""
    return Letter(
        id=content["id"],
        state=content["state"],
        target=content["target"],
        reason=content["reason"],
        error=content["error"],
        row_id=content.get("row_id"),
        name=content.get("name"),
        generation=content.get("generation"),
        position=content.get("position") or {},
        occurrences=content.get("occurrences", 1),
        dead_lettered_at=required_moment(content["dead_lettered_at"]),
        resolved_at=moment(content.get("resolved_at")),
        resolved_by=content.get("resolved_by"),
        resolution_reason=content.get("resolution_reason"),
        answered_at=moment(content.get("answered_at")),
        renderer=content.get("renderer"),
        key=content.get("key"),
    )
