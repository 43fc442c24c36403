"""What the supervisor needs to know of one process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """One supervised process.

    `environment` is added to the supervisor's own; `user` is the account it runs as (None: the caller's own);
    `stop_signal` is a signal's name without `SIG`, and `stop_seconds` how long it may take before it is killed.
    A program that runs `once` may end with code 0 for good; any other end, and every end of the others, has it started
    again. `awaits` are ports of the loopback that must accept connections before it starts, for programs that end where
    others would try again.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    user: str | None = None
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    once: bool = False
    awaits: tuple[int, ...] = ()
