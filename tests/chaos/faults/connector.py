"""A connector that starts again: from where it was, from further back, and from nowhere."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chaos.arena import Arena
from chaos.faults.fault import Fault
from chaos.verdict import wait
from rowcast_local.assembly import CONNECTOR

PATH = f"/connectors/{CONNECTOR}"
CONFIRMED = "SELECT confirmed_flush_lsn::text FROM pg_replication_slots"
"""Rises with every beat of the connector's heart."""
GIVES_UP_SECONDS = 240
"""Twice as long as Debezium tries to begin."""


def ask(arena: Arena, method: str, path: str, body: object = None, seconds: float = 30) -> Any:
    """Ask Connect until it answers well: it says 409 while it rebalances, 400 while a task is still ending."""
    answers: list[Any] = []

    def once() -> list[str]:
        with arena.world.connect() as http:
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

    The slot doesn't reach back there, so the connector takes a snapshot and goes on from the present. Or, where it is
    only a little, gives up after a while, and a person does what `GET /pipeline` advises.
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
    arena.repairs.append(read_again_if_refused)


def read_again_if_refused(arena: Arena) -> None:
    """`rowcast connector resnapshot`, if the connector doesn't go on by itself. Raises AssertionError on neither."""
    ((confirmed,),) = arena.table.ask(CONFIRMED)
    states: list[str] = []

    def went_on_or_gave_up() -> list[str]:
        ((now,),) = arena.table.ask(CONFIRMED)
        tasks = [task["state"] for task in ask(arena, "GET", "/status")["tasks"]]
        states.append("going on" if now != confirmed else ", ".join(tasks))
        return [] if states[-1] in {"going on", "FAILED"} else states[-1:]

    assert not (why := wait(went_on_or_gave_up, GIVES_UP_SECONDS)), why
    if states[-1] == "FAILED":
        ask(arena, "PUT", "/stop")
        ask(arena, "DELETE", "/offsets")
        ask(arena, "PUT", "/resume")
        arena.notes.append("the connector refused the offset, and was told to snapshot again")


@contextmanager
def forgotten(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """The offset is gone: the connector reads the whole table again."""
    ask(arena, "PUT", "/stop")
    try:
        ask(arena, "DELETE", "/offsets")
        yield
    finally:
        ask(arena, "PUT", "/resume")


def without_connect(arena: Arena) -> str | None:
    """Why there is no connector to be asked."""
    return None if "connect" in arena.platform.parts else "capture is without Connect here"


FAULTS = (
    Fault("connector restarted", "connector", restarted, (0.5, 4), "capture", without_connect),
    Fault("connector paused", "connector", paused, (1, 6), "capture", without_connect),
    Fault("offsets rewound", "connector offsets", rewound, (0.5, 4), "capture", without_connect),
    Fault("offsets lost", "connector offsets", forgotten, (0.5, 4), "capture", without_connect),
)
