"""Who did what, and who was refused what: kept with the change itself, in its transaction, and in the log."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, insert

from rowcast.crud.database.tables import audit
from rowcast.runtime.logging import get_logger

DONE, REFUSED = "done", "refused"
MOST_ENVIRONMENTS = 50
_LONGEST = 1000


@dataclass
class Noted:
    """What is known of a request that may change something. `environments` are those that it had to do with."""

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


NOTED: ContextVar[Noted | None] = ContextVar("noted", default=None)
"""Of the request that is being answered; None for what crud does by itself."""


def entry(noted: Noted, outcome: str, why: str | None = None) -> Mapping[str, Any]:
    """What is kept."""
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
