"""Proposals in memory: those that a test sets, and what was asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from client.errors import MissingError
from login.identity import Who
from proposals.models import Proposal, ProposalPage, State, Verb


@dataclass
class Kept:
    """`decided` are number, verb, reason and person."""

    proposals: list[Proposal] = field(default_factory=list)
    decided: list[tuple[int, str, str, str]] = field(default_factory=list)


class FakeProposals:
    """What CrudClient does for the room."""

    @property
    def _kept(self) -> Kept:
        raise NotImplementedError

    @property
    def _person_now(self) -> Who:
        raise NotImplementedError

    def proposals(
        self, state: State | None = None, *, for_approval: bool = False, cursor: str | None = None, limit: int = 20
    ) -> ProposalPage:
        found = [each for each in self._kept.proposals if state in (None, each.state)]
        if for_approval:
            found = [each for each in found if each.state == "open" and self._person_now.person not in each.authors]
        return ProposalPage(tuple(found[:limit]), None, len(found))

    def proposal(self, number: int) -> Proposal:
        for each in self._kept.proposals:
            if each.id == number:
                return each
        raise MissingError(404, "Not Found", f"there is no proposal {number}")

    def decide_proposal(self, number: int, verb: Verb, why: str = "") -> None:
        self._kept.decided.append((number, verb, why, self._person_now.person))
