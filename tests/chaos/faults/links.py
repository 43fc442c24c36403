"""Links that are cut, slow, narrow, or reset."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from chaos.arena import LINKS, Arena
from chaos.faults.fault import Doing, Fault


def cut(link: str) -> Doing:
    """No connection, old or new."""

    @contextmanager
    def during(arena: Arena, _chance: random.Random) -> Iterator[None]:
        with arena.links.cut(link):
            yield

    return during


def slow(link: str) -> Doing:
    """Every packet takes 0.1 to 1.5 s more."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        latency = chance.randint(50, 750)
        with arena.links.toxic(link, "latency", latency=latency, jitter=latency // 2):
            yield

    return during


def narrow(link: str) -> Doing:
    """1 to 20 KB/s."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        with arena.links.toxic(link, "bandwidth", rate=chance.randint(1, 20)):
            yield

    return during


def reset(link: str) -> Doing:
    """Connections are reset a moment after they begin, in the middle of what they carry."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        with arena.links.toxic(link, "reset_peer", timeout=chance.randint(0, 300)):
            yield

    return during


FAULTS = tuple(
    Fault(f"{how.__name__} {link}", f"link {how.__name__}", how(link), (1, 8), link)
    for link in LINKS
    for how in (cut, slow, narrow, reset)
)
