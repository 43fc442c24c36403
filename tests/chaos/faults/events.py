"""Events that come again, late and in any order, past the broker; and events that are none."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from chaos.arena import Arena
from chaos.faults.fault import Doing, Fault

BULK = "/events/rows/bulk"
SINGLE = "/events/rows"


def repeated(target: str) -> Doing:
    """Events that were delivered already, or are just being, come again straight to sync's route, out of order."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        end = threading.Event()
        posted: list[int] = []
        url = arena.world.env[f"ROWCAST_SYNC_{target.upper()}_URL"]
        worker = threading.Thread(target=_repeat, args=(arena, url, chance, end, posted), daemon=True)
        worker.start()
        try:
            yield
        finally:
            end.set()
            worker.join(60)
        arena.notes.append(f"{sum(posted)} events again")

    return during


def _repeat(arena: Arena, url: str, chance: random.Random, end: threading.Event, posted: list[int]) -> None:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        while not end.wait(chance.uniform(0.02, 0.3)):
            known = list(arena.tap.events)
            if not known:
                continue
            recent = known[-200:]
            events = chance.sample(recent, min(len(recent), 20)) + chance.sample(known, min(len(known), 20))
            chance.shuffle(events)
            try:
                if chance.random() < 0.2:
                    http.post(SINGLE, json=events[0]).raise_for_status()
                    posted.append(1)
                else:
                    http.post(BULK, json=_bulk(events)).raise_for_status()
                    posted.append(len(events))
            except httpx.HTTPError:
                end.wait(0.2)  # another fault at the same time


def _bulk(events: Sequence[Any]) -> dict[str, Any]:
    entries = [
        {"entryId": str(number), "event": event, "metadata": {}, "contentType": "application/cloudevents+json"}
        for number, event in enumerate(events)
    ]
    return {"id": "repeated", "entries": entries, "metadata": {}, "topic": "rowcast.public.app_configs"}


@contextmanager
def poisoned(arena: Arena, chance: random.Random) -> Iterator[None]:
    """What is no event comes in between, to every partition."""
    unknown = {"specversion": "1.0", "id": "1", "source": "/chaos", "type": "chaos", "iodebeziumtable": "orders"}
    arena.poison.update({"undecodable", "unknown-table"})
    for number in range(12):
        body = chance.choice((f"garbage {chance.random()}", "{}", json.dumps({**unknown, "data": chance.random()})))
        try:
            arena.tap.publish(body, str(number))
        except httpx.HTTPError:
            arena.notes.append("poison not taken")
    yield


FAULTS = (
    *(
        Fault(f"events repeated to sync-{target}", "repeated events", repeated(target), (2, 8), f"events {target}")
        for target in ("k8s", "git")
    ),
    Fault("poison among the events", "poison", poisoned, (0.5, 2), "poison"),
)
