"""Two sync instances of one target: rows go from one to the other and back, and both have some for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.arena import Arena
from chaos.faults.fault import Doing, Fault, hold
from chaos.verdict import wait
from instances import start_application


def second(app: str) -> Doing:
    """Another instance with the same app-id joins and leaves, once or twice; it ends by SIGTERM or by SIGKILL."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        for again in range(chance.choice((1, 2))):
            if again:
                hold(chance, 0.5, 2)
            with _instance(arena, app, chance):
                hold(chance, 1, 4)
        yield

    return during


@contextmanager
def _instance(arena: Arena, app: str, chance: random.Random) -> Iterator[None]:
    number = len(list(arena.folder.glob(f"second-{app}-*")))
    instance = start_application(
        arena.platform, app, arena.folder / f"second-{app}-{number}", taken=arena.ports.values()
    )
    try:
        instance.start_sidecar()
        wait(lambda: [] if instance.ready() else ["not yet"], 30)
        yield
    finally:
        instance.end(kill=chance.random() < 0.5)


FAULTS = tuple(
    Fault(f"two instances of {app}", "two instances", second(app), (0.5, 2), app) for app in ("sync-k8s", "sync-git")
)
