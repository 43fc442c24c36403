"""What people with `kubectl edit` do to our objects: marks changed in every way, and finalizers on what is deleted."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psycopg2.errors

from chaos.arena import Arena
from chaos.faults.fault import Fault, hold
from chaos.load import INSERT, URL
from chaos.places import RESOURCES
from chaos.witness import GENERATION, HAND, ROW_ID

FINALIZER = "chaos.example.org/hold"
GENERATIONS = (None, "", "0", "-1", "\u00b2", "1.0", "0x7", " 7", "9" * 5_000, str(2**63), str(2**63 - 1), "nonsense")
"""What is written in the generation's place; None takes it away."""
ROW_IDS = (None, "0", "nonsense", str(2**62), "01")
"""Labels have to be labels: the API server refuses what isn't."""
OBJECTS = 6


def marks(chance: random.Random, names: Sequence[str], ids: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """By object, a merge patch that changes its marks; two of them get each other's row."""
    patches: dict[str, dict[str, Any]] = {}
    first, second, *rest = chance.sample(list(names), min(len(names), OBJECTS))
    patches[first] = _metadata("labels", ROW_ID, ids[second])
    patches[second] = _metadata("labels", ROW_ID, ids[first])
    for name in rest:
        match chance.randrange(4):
            case 0:
                patches[name] = _metadata("labels", ROW_ID, chance.choice(ROW_IDS))
            case 1:
                # A copy of another one's row, which has two objects then.
                patches[name] = _metadata("labels", ROW_ID, ids[chance.choice(list(names))])
            case 2:
                patches[name] = {"metadata": {"labels": None, "annotations": None}}
            case _:
                patches[name] = _metadata("annotations", GENERATION, chance.choice(GENERATIONS))
    return patches


def _metadata(where: str, mark: str, value: str | None) -> dict[str, Any]:
    return {"metadata": {where: {mark: value}}}


@contextmanager
def marked_by_hand(arena: Arena, chance: random.Random) -> Iterator[None]:
    """Labels and annotations of ours are changed on some objects, once or a few times. Nobody puts them back."""
    changed = 0
    for again in range(chance.choice((1, 2, 3))):
        if again:
            hold(chance, 0.2, 1.5)
        objects = [item["metadata"] for item in arena.cluster.list()["items"]]
        ids = {each["name"]: each["labels"][ROW_ID] for each in objects if ROW_ID in (each.get("labels") or {})}
        if len(ids) < 2:
            continue
        for name, patch in marks(chance, sorted(ids), ids).items():
            changed += _patch(arena, name, patch)
    arena.notes.append(f"{changed} objects' marks changed")
    yield


@contextmanager
def held_by_finalizers(arena: Arena, chance: random.Random) -> Iterator[None]:
    """Rows are deleted whose objects somebody's finalizer holds; some names get a new row meanwhile."""
    names = chance.sample(sorted(arena.table.read()), 4)
    held = [name for name in names if _patch(arena, name, {"metadata": {"finalizers": [FINALIZER]}})]
    try:
        arena.load._sql(*(("DELETE FROM app_configs WHERE name = %s", (name,)) for name in held))
        hold(chance, 0.1, 1)
        for name in held[: len(held) // 2]:
            with suppress(psycopg2.errors.UniqueViolation):  # the load was faster
                arena.load._sql((INSERT, (name, URL, "dev")))
        yield
    finally:
        for item in arena.cluster.list()["items"]:
            if FINALIZER in item["metadata"].get("finalizers", ()):
                _patch(arena, item["metadata"]["name"], {"metadata": {"finalizers": None}})
    arena.notes.append(f"{len(held)} objects held")


def _patch(arena: Arena, name: str, patch: Mapping[str, Any]) -> bool:
    """Whether it was there to be changed."""
    answer = arena.cluster.http.patch(
        f"{RESOURCES}/{name}",
        params={"fieldManager": HAND},
        headers={"content-type": "application/merge-patch+json"},
        json=patch,
    )
    if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.CONFLICT):
        return False
    answer.raise_for_status()
    return True


FAULTS = (
    Fault("marks of objects changed by hand", "marks by hand", marked_by_hand, (1, 5), "hands"),
    Fault("finalizers on what is deleted", "finalizers", held_by_finalizers, (1, 6), "hands"),
)
