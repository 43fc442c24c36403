"""What capture knows of itself, for `/facts`, `/readyz`, metrics and logs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How capture is. It is never FAILED for long: whatever ends the engine, it is started again."""

    STARTING = "STARTING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    FAILED = "FAILED"
    """Something of our own has gone wrong, which trying again may not help; it is tried all the same."""


@dataclass(slots=True)
class Condition:
    """Written by the thread that runs the engine, read by everybody."""

    state: State = State.STARTING
    error: str | None = None
    engine: str | None = None
    offsets_known: bool = False
    lsn: int | None = None
    snapshot: bool = False
    starts: int = 0
