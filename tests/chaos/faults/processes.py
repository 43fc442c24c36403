"""Processes that end at once, and processes that stand still."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.arena import Arena
from chaos.faults.fault import Doing, Fault, hold

PARTS = (
    "sync-k8s",
    "sync-git",
    "sync-k8s-dapr",
    "sync-git-dapr",
    "crud-dapr",
    "ui-dapr",
    "crud",
    "connect",
    "kafka",
    "kube-apiserver",
    "etcd",
    "postgres",
)


def killed(part: str) -> Doing:
    """SIGKILL, once or a few times; the supervisor starts it again each time."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        for again in range(chance.choice((1, 1, 2))):
            if again:
                hold(chance, 0.5, 3)
            arena.platform.kill_part(part)
        yield

    return during


def frozen(part: str) -> Doing:
    """SIGSTOP, and SIGCONT in the end."""

    @contextmanager
    def during(arena: Arena, _chance: random.Random) -> Iterator[None]:
        arena.platform.kill_part(part, "STOP")
        try:
            yield
        finally:
            arena.platform.kill_part(part, "CONT")

    return during


FAULTS = (
    *(Fault(f"kill {part}", "kill", killed(part), subject=part) for part in PARTS),
    *(Fault(f"freeze {part}", "freeze", frozen(part), (1, 10), part) for part in PARTS),
)
