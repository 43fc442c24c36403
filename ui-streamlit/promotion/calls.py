"""`/renderers/{name}/promotions`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from client.decoding import moment, required_moment
from client.sending import Sending, given
from promotion.models import Board, Fields, Group, Place, Request, Result, Seen
from renderers.calls import path, rendered


class PromotionCalls(Sending):
    """The calls of the page Promotion."""

    def promotion_board(
        self, renderer: str, search: str = "", differs: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Board:
        """Return a page of which version is where."""
        params = given(search=search, differs="true" if differs else "", cursor=cursor, limit=limit)
        return board(self._send("GET", path(renderer, "promotions"), params=params))

    def promotion_preview(self, renderer: str, keys: Sequence[str]) -> tuple[Result, ...]:
        """Return what promoting to these rows would do; to all that differ, if there are none. Changes nothing."""
        wanted: dict[str, Any] = {"keys": list(keys)} if keys else {"all": True}
        return _results(self._send("POST", path(renderer, "promotions"), body={**wanted, "dry_run": True}))

    def promote(self, renderer: str, wanted: Sequence[Seen]) -> tuple[Result, ...]:
        """Promote what was seen, or ask for somebody's approval."""
        body = {"items": [vars(each) for each in wanted]}
        return _results(self._send("POST", path(renderer, "promotions"), body=body))

    def promotion_requests(self, renderer: str) -> tuple[Request, ...]:
        """Return what waits for an approval."""
        params = given(state="awaiting", limit=100)
        return tuple(
            request(each) for each in self._send("GET", path(renderer, "promotions:requests"), params=params)["items"]
        )

    def decide_promotion(self, renderer: str, number: int, approved: bool, why: str = "") -> None:
        """Approve what somebody has asked for, or refuse it."""
        verb = "approve" if approved else "refuse"
        self._send(
            "POST", path(renderer, "promotions", f"{number}:{verb}"), body=None if approved else {"why": why or None}
        )


def board(content: Mapping[str, Any]) -> Board:
    """Return a page of groups."""
    promotion = content["promotion"]
    if promotion is None:
        return Board(why=content.get("why"))
    return Board(
        order=tuple(promotion["order"]),
        approval=promotion["approval"],
        healthy_seconds=promotion["healthy_seconds"],
        items=tuple(
            Group(group["match"], tuple(_place(place) for place in group["places"])) for group in content["items"]
        ),
        next_cursor=content.get("next_cursor"),
        total=content["total"],
    )


def _place(content: Mapping[str, Any]) -> Place:
    source, key = content.get("from_key"), content.get("key")
    return Place(
        place=content["place"],
        key=key,
        values=content["values"],
        state=content.get("state"),
        since=moment(content.get("since")),
        changed_by=content.get("changed_by"),
        changed_at=moment(content.get("changed_at")),
        seen=_seen({**content, "to_key": key, "to_generation": content["generation"]}) if key and source else None,
        fields=_fields(content),
        allowed=content["allowed"],
        rule=content.get("rule"),
        why=content.get("why"),
        request=content.get("request"),
    )


def _seen(content: Mapping[str, Any]) -> Seen:
    return Seen(content["from_key"], content["from_generation"], content["to_key"], content["to_generation"])


def _fields(content: Mapping[str, Any]) -> Fields:
    return {name: (before, after) for name, (before, after) in content["fields"].items()}


def _results(content: Mapping[str, Any]) -> tuple[Result, ...]:
    return tuple(
        Result(
            outcome=each["outcome"],
            seen=_seen(each),
            from_place=each.get("from_place") or "",
            to_place=each.get("to_place") or "",
            fields=_fields(each),
            why=each.get("why"),
            before=rendered(each["before"]) if each.get("before") else None,
            after=rendered(each["after"]) if each.get("after") else None,
        )
        for each in content["items"]
    )


def request(content: Mapping[str, Any]) -> Request:
    """Return one request."""
    return Request(
        content["id"],
        content["to_key"],
        content["from_place"],
        content["to_place"],
        _fields(content),
        content["asked_by"],
        required_moment(content["asked_at"]),
    )
