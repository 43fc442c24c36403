"""Every outcome's one name: in the code, the log line, the metric's label, the API and the page."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a change at a target."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    STALE = "stale"
    ELSEWHERE = "elsewhere"
    """The row's environment is not delivered by this target, and nothing of the row is here."""
    DEAD_LETTERED = "dead-lettered"


RETRYING = "retrying"
"""Of a status: nothing became of the change yet, and its error says why; what was delivered before is there still."""
STAGED = "staged"
"""Of a status: how far what was delivered has come since, and nothing else."""
