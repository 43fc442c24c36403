"""`/proposals`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.decoding import moment, required_moment
from client.sending import Sending, given
from proposals.models import Change, Proposal, ProposalPage, State, Verb


class ProposalCalls(Sending):
    """The calls of the room Proposals."""

    def proposals(
        self, state: State | None = None, *, for_approval: bool = False, cursor: str | None = None, limit: int = 20
    ) -> ProposalPage:
        """Return a page of them; `for_approval`: open ones that the person may approve."""
        params = given(state=state, for_approval="true" if for_approval else "", cursor=cursor, limit=limit)
        content = self._send("GET", "/proposals", params=params)
        return ProposalPage(tuple(map(proposal, content["items"])), content["next_cursor"], content["total"])

    def proposal(self, number: int) -> Proposal:
        """Return one, with what has changed since."""
        return proposal(self._send("GET", f"/proposals/{number}"))

    def decide_proposal(self, number: int, verb: Verb, why: str = "") -> None:
        """Approve, reject (why), withdraw or renew it; a renewed one raises ProposedError with the new one."""
        self._send("POST", f"/proposals/{number}:{verb}", body={"why": why} if verb == "reject" else None)


def proposal(content: Mapping[str, Any]) -> Proposal:
    """Return one proposal."""
    return Proposal(
        id=content["id"],
        renderer=content["renderer"],
        state=content["state"],
        environments=tuple(content["environments"]),
        asked_by=content["asked_by"],
        asked_at=required_moment(content["asked_at"]),
        changes=tuple(
            Change(
                each["renderer"],
                each["key"],
                each["name"] or each["key"] or "",
                each["op"],
                {name: (before, after) for name, (before, after) in each["fields"].items()},
                tuple(each["environments"]),
            )
            for each in content["changes"]
        ),
        authors=tuple(content["authors"]),
        comment=content["comment"] or "",
        decided_by=content["decided_by"],
        decided_at=moment(content["decided_at"]),
        why=content["why"] or "",
        outdated=tuple(content["outdated"]),
    )
