"""Capture without Connect that reads the whole table again: told to, or since it doesn't know its place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from chaos.arena import Arena
from chaos.faults.fault import Doing, Fault, hold
from chaos.verdict import wait

PART = "capture"
FORGET = "DELETE FROM public.rowcast_capture_offsets"
SET_BACK = """
    UPDATE public.rowcast_capture_offsets SET "position" = "position" || (
        SELECT jsonb_object_agg(name, greatest(1, value::text::bigint - {back}))
        FROM jsonb_each("position") AS each (name, value)
        WHERE name IN ('lsn', 'lsn_proc', 'lsn_commit') AND jsonb_typeof(value) = 'number'
    )
    WHERE "position" ? 'lsn'
"""


@contextmanager
def read_again(arena: Arena, chance: random.Random) -> Iterator[None]:
    """`POST /resnapshot`, once or a few times, in the middle of the one before."""
    for again in range(chance.choice((1, 1, 3))):
        if again:
            hold(chance, 0.1, 1.5)
        assert not (why := wait(lambda: _ask_for_it(arena), 30)), why
    yield


def _ask_for_it(arena: Arena) -> list[str]:
    answer = httpx.post(f"{arena.platform.blueprint.url(PART)}/resnapshot", timeout=10, trust_env=False)
    return [] if answer.is_success else [f"{answer.status_code} {answer.text}"]


def changed(statement: str) -> Doing:
    """While it is down, what it has kept of its position is changed; `{back}` is up to 100 KB of WAL."""

    @contextmanager
    def during(arena: Arena, chance: random.Random) -> Iterator[None]:
        arena.platform.stop_part(PART)
        try:
            arena.table.do(statement.format(back=chance.randrange(1, 100_000)))
            yield
        finally:
            arena.platform.start_part(PART)

    return during


def without_engine(arena: Arena) -> str | None:
    """Why there is none."""
    return None if PART in arena.platform.parts else "Connect captures here"


FAULTS = (
    Fault("capture reads the table again", "engine", read_again, (1, 4), "capture", without_engine),
    Fault("capture's position lost", "engine's position", changed(FORGET), (0.5, 4), "capture", without_engine),
    Fault("capture's position set back", "engine's position", changed(SET_BACK), (0.5, 4), "capture", without_engine),
)
