"""A connector that starts again: from where it was, from further back, and from nowhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from chaos.arena import Arena
from chaos.faults.fault import Fault
from chaos.verdict import wait
from rowcast_local.assembly import CONNECTOR

PATH = f"/connectors/{CONNECTOR}"


def ask(arena: Arena, method: str, path: str, body: object = None, seconds: float = 30) -> Any:
    """Ask Connect until it answers well: it says 409 while it rebalances, 400 while a task is still ending."""
    answers: list[Any] = []
    url = arena.world.env["ROWCAST_CONNECT_URL"]

    def once() -> list[str]:
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as http:
            answer = http.request(method, PATH + path, json=body)
        if not answer.is_success:
            return [f"{method} {path}: {answer.status_code} {answer.text}"]
        answers.append(answer.json() if answer.content else None)
        return []

    assert not (why := wait(once, seconds)), why
    return answers[-1]


@contextmanager
def restarted(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """Connector and task, again and again."""
    for _ in range(3):
        ask(arena, "POST", "/restart?includeTasks=true")
    yield


@contextmanager
def paused(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """Nothing is captured for a while."""
    ask(arena, "PUT", "/pause")
    try:
        yield
    finally:
        ask(arena, "PUT", "/resume")


@contextmanager
def rewound(arena: Arena, chance: random.Random) -> Iterator[None]:
    """The offset is set back by up to 100 KB of WAL while the connector is stopped; then as for lost offsets.

    The slot doesn't reach back there, so the connector takes a snapshot and goes on from the present.
    """
    ask(arena, "PUT", "/stop")
    try:
        (known,) = ask(arena, "GET", "/offsets")["offsets"]
        back = chance.randrange(1, 100_000)
        offset = {**known["offset"]}
        for name in ("lsn", "lsn_proc", "lsn_commit"):
            if isinstance(offset.get(name), int):
                offset[name] = max(1, offset[name] - back)
        ask(arena, "PATCH", "/offsets", {"offsets": [{"partition": known["partition"], "offset": offset}]})
        yield
    finally:
        ask(arena, "PUT", "/resume")


@contextmanager
def forgotten(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """The offset is gone: the connector reads the whole table again."""
    ask(arena, "PUT", "/stop")
    try:
        ask(arena, "DELETE", "/offsets")
        yield
    finally:
        ask(arena, "PUT", "/resume")


FAULTS = (
    Fault("connector restarted", "connector", restarted, (0.5, 4), "connect"),
    Fault("connector paused", "connector", paused, (1, 6), "connect"),
    Fault("offsets rewound", "connector offsets", rewound, (0.5, 4), "connect"),
    Fault("offsets lost", "connector offsets", forgotten, (0.5, 4), "connect"),
)
