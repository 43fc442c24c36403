"""Processes that end at once, and processes that stand still."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import brokers
from chaos.arena import Arena
from chaos.faults.fault import Doing, Fault, hold

ROLES = (
    "sync-k8s",
    "sync-git",
    "sync-k8s-dapr",
    "sync-git-dapr",
    "crud-dapr",
    "ui-dapr",
    "crud",
    "capture",
    "capture-dapr",
    "broker",
    "kube-apiserver",
    "etcd",
    "postgres",
)
"""Parts, and who plays the part of `broker` and of `capture` on this platform."""


def killed(role: str) -> Doing:
    """SIGKILL, once or a few times; the supervisor starts it again each time."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        for again in range(chance.choice((1, 1, 2))):
            if again:
                hold(chance, 0.5, 3)
            arena.platform.kill_part(playing(arena, role))
        yield

    return during


def frozen(role: str) -> Doing:
    """SIGSTOP, and SIGCONT in the end."""

    @contextmanager
    def during(arena: Arena, _chance: random.Random) -> Iterator[None]:
        part = playing(arena, role)
        arena.platform.kill_part(part, "STOP")
        try:
            yield
        finally:
            arena.platform.kill_part(part, "CONT")

    return during


def playing(arena: Arena, role: str) -> str:
    """The part that plays the role here."""
    part = brokers.part(arena.platform, role)
    assert part is not None, f"nobody is {role} here"
    return part


def nobody(role: str) -> Callable[[Arena], str | None]:
    """Why the role's part can't be broken: this platform has none."""
    return lambda arena: None if brokers.part(arena.platform, role) else f"there is no {role} here"


FAULTS = (
    *(Fault(f"kill {role}", "kill", killed(role), subject=role, impossible=nobody(role)) for role in ROLES),
    *(Fault(f"freeze {role}", "freeze", frozen(role), (1, 10), role, nobody(role)) for role in ROLES),
)
