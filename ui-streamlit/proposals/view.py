"""What is said of proposals. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from access.models import APPROVE_ROWS, DELETE, EDIT
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


def offered(proposal: Proposal, own: bool) -> tuple[Verb, ...]:
    """Return what can be asked for of one, by an author (`own`) or another person, who may or may not."""
    if proposal.state == "open":
        return ("withdraw", *(("renew",) if proposal.outdated else ())) if own else ("approve", "reject")
    return ("renew",) if proposal.state == "stale" else ()


def needed(proposal: Proposal, verb: Verb) -> Iterator[tuple[str, str, str]]:
    """Return what crud asks of who decides: `resource/verb`, renderer, and environment, empty for all of them."""
    for change in proposal.changes:
        for environment in change.environments or ("",):
            if verb in ("approve", "reject"):
                yield APPROVE_ROWS, change.renderer, environment
            if verb in ("approve", "renew") and change.renderer == proposal.renderer:
                yield DELETE if change.op == "delete" else EDIT, change.renderer, environment


def notice(patterns: Sequence[str]) -> str:
    """Return what is said before anybody changes something."""
    where = "every environment" if set(patterns) & {"*"} else ", ".join(patterns)
    return f"A change in {where} is a proposal: it is made once somebody else has approved it."
