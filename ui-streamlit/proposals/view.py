"""What is said of proposals. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from login.identity import Who
from proposals.models import Change, Proposal, Verb
from shared.formatting import counted

Colour = Literal["blue", "green", "red", "gray", "orange"]
VERBS: Final[Mapping[str, str]] = {"create": "creates", "update": "changes", "delete": "deletes"}
COLOURS: Final[Mapping[str, Colour]] = {
    "open": "blue",
    "approved": "green",
    "rejected": "red",
    "withdrawn": "gray",
    "stale": "orange",
}


PENDING: Final = ("open", "stale")
"""What a proposal is whose change may still come, as it is or renewed."""


def summary(proposal: Proposal) -> str:
    """Return what it does, in a few words."""
    first, *others = proposal.changes
    more = f" and {counted(len(others), 'more row')}" if others else ""
    return f"{VERBS[first.op]} {first.name or 'a row'}{more} of {proposal.renderer}"


def difference(change: Change) -> str:
    """Return what becomes of a row, as lines of a diff."""
    return "\n".join(_lines(change)) or f"# {VERBS[change.op]} with the others"


def _lines(change: Change) -> Iterator[str]:
    for name, (before, after) in change.fields.items():
        if change.op != "create":
            yield f"- {name}: {_text(before)}"
        if change.op != "delete":
            yield f"+ {name}: {_text(after)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def offered(proposal: Proposal, who: Who) -> tuple[Verb, ...]:
    """Return what the person can ask for; whether they may, crud knows."""
    own = who.person.casefold() in proposal.authors
    if proposal.state == "open":
        return ("withdraw", *(("renew",) if proposal.outdated else ())) if own else ("approve", "reject")
    return ("renew",) if proposal.state == "stale" else ()


def notice(patterns: Sequence[str]) -> str:
    """Return what is said before anybody changes something."""
    where = "every environment" if set(patterns) & {"*"} else ", ".join(patterns)
    return f"A change in {where} is a proposal: it is made once somebody else has approved it."
