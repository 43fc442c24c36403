"""One thing to get, and what it takes to get it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rowcast_local.errors import LocalError
from rowcast_local.provision.commands import Commands

Build = Callable[[Path, Commands], None]
"""Fills the given empty folder; raises CommandError or OSError."""


@dataclass(frozen=True)
class Step:
    """Makes the folder `target`, whose name has everything in it that decides its content.

    `needs` names the steps that must be done before; `heavy` steps use every core by themselves. A step that is
    `resumable` is given the cache's folder instead of an empty one, and makes `target` whole or not at all by itself.
    """

    name: str
    target: Path
    build: Build
    needs: tuple[str, ...] = ()
    heavy: bool = False
    resumable: bool = False


class StepError(LocalError):
    """A step failed; the text names it, gives the end of what it said, and where the rest of that is."""
