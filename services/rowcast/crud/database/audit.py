"""Who did what, and who was refused what: kept with the change itself, in its transaction, and in the log."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, insert

from rowcast.crud.database.tables import audit
from rowcast.runtime.logging import get_logger

DONE, REFUSED, PROPOSED = "done", "refused", "proposed"
MOST_ENVIRONMENTS = 50
_LONGEST = 1000


@dataclass
class Noted:
    """What is known of a request that may change something. `environments` are those that it had to do with.

    `comment` is the person's own, `replaces` the number of the proposal that is asked for anew, `approved_by` who has
    approved what is changed in another's name.
    `review` gets the transaction before it ends, and raises what keeps it from being made; `operations` are what was
    written to a renderer's table, as the same could be asked again.
    """

    way: str = "local"
    issuer: str | None = None
    subject: str = "anonymous"
    person: str = ""
    verified: bool = False
    act: str = ""
    renderer: str | None = None
    operation: str = ""
    path: str = ""
    environments: set[str] = field(default_factory=set)
    why: str | None = None
    comment: str | None = None
    replaces: int | None = None
    review: Callable[[Connection], None] | None = None
    operations: Sequence[Any] = ()
    approved_by: str | None = None


NOTED: ContextVar[Noted | None] = ContextVar("noted", default=None)
"""Of the request that is being answered; None for what crud does by itself."""


def entry(noted: Noted, outcome: str, why: str | None = None) -> Mapping[str, Any]:
    """What is kept."""
    why = why or noted.why
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {
        "way": noted.way,
        "issuer": noted.issuer,
        "subject": noted.subject,
        "person": noted.person,
        "verified": noted.verified,
        "act": noted.act,
        "renderer": noted.renderer,
        "environments": sorted(noted.environments)[:MOST_ENVIRONMENTS],
        "operation": noted.operation,
        "path": noted.path[:_LONGEST],
        "outcome": outcome,
        "why": None if why is None else why[:_LONGEST],
        "request_id": request_id,
    }


def keep(connection: Connection, kept: Mapping[str, Any]) -> None:
    """Within the caller's transaction."""
    connection.execute(insert(audit).values(**kept))


def log(kept: Mapping[str, Any]) -> None:
    """The same as one line of the log."""
    told = {name: value for name, value in kept.items() if name != "request_id"}  # every line has it
    get_logger("rowcast.audit").info("audit", **told)
