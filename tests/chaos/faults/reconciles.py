"""Reconciles under load: what goes past the fence must not bring back what events have overtaken."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from chaos.arena import Arena
from chaos.faults.fault import Fault
from chaos.faults.repairs import TARGETS


@contextmanager
def reconciling(arena: Arena, _chance: random.Random) -> Iterator[None]:
    """Both targets, one run after the other."""
    end = threading.Event()
    runs: list[str] = []
    workers = [threading.Thread(target=_run, args=(arena, target, end, runs), daemon=True) for target in TARGETS]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        end.set()
        for worker in workers:
            worker.join(90)
    arena.notes.append(f"{len(runs)} reconciles")


def _run(arena: Arena, target: str, end: threading.Event, runs: list[str]) -> None:
    url = arena.world.env[f"ROWCAST_SYNC_{target.upper()}_URL"]
    with httpx.Client(base_url=url, timeout=70, trust_env=False) as http:
        while not end.wait(0.2):
            try:
                answer = http.post("/reconcile", json={"wait_seconds": 60, "prune_limit": 1})
                runs.append(answer.json().get("state", "?"))
            except (httpx.HTTPError, ValueError):
                end.wait(0.5)  # another fault at the same time


FAULTS = (Fault("reconciles under load", "reconcile", reconciling, (2, 8), "reconcile"),)
