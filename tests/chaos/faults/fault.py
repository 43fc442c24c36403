"""What a fault is: something that is done to an arena, for a while, and undone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from chaos.arena import Arena

Doing = Callable[[Arena, random.Random], AbstractContextManager[None]]


def nothing(_arena: Arena) -> str | None:
    """A fault that is possible everywhere."""
    return None


@dataclass(frozen=True)
class Fault:
    """One kind of fault. `during` injects it when entered and heals it when left; it may hold itself up meanwhile.

    `kind` groups faults; no two of one `subject` go at the same time; `seconds` are the shortest and the longest time
    that it lasts; `impossible` gives the reason where it can't be had.
    """

    name: str
    kind: str
    during: Doing
    seconds: tuple[float, float] = (1.0, 6.0)
    subject: str = ""
    impossible: Callable[[Arena], str | None] = nothing


def hold(chance: random.Random, least: float, most: float) -> None:
    """Let a fault last; its length is what the fault is, not something that is waited for."""
    time.sleep(chance.uniform(least, most))
