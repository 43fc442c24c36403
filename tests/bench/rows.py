"""Rows as a target is given them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice, repeat

from rowcast.core.events import AppConfig, Change, Op
from rowcast.core.render import Desired, render
from rowcast.core.row import app_config

Batch = Sequence[Desired]

ENVIRONMENTS = 20
"""Folders that the files are spread over."""
_MOMENT = "2026-01-02T03:04:05.678Z"


def row(number: int, generation: int) -> Desired:
    """A row's state. Its place in the log goes with its generation and its number."""
    config = AppConfig(
        id=number,
        name=f"service-{number}",
        repository_url="https://git.example.com/shop/service.git",
        branch=f"release-{generation}",
        environment=f"env-{number % ENVIRONMENTS}",
        generation=generation,
        created_at=_MOMENT,
        updated_at=_MOMENT,
        updated_by=f"person-{number % 3}",
    )
    op = Op.CREATE if generation == 1 else Op.UPDATE
    return render(Change(app_config(number), op, config, generation * 10_000_000 + number, _MOMENT))


def path_of(desired: Desired) -> str:
    """Where the row's file is by default."""
    return f"environments/{desired.environment}/appconfigs/{desired.name}.yaml"


def batches(existing: int, size: int, count: int, generation: int) -> list[Batch]:
    """`count` batches of `size` rows each: the existing ones' next states as far as they go, else new rows.

    Neighbours are spread evenly over the rows that exist.
    """
    if not existing:
        numbers = iter(range(generation * 1_000_000, generation * 1_000_000 + size * count))
        made = map(row, numbers, repeat(1))
    else:
        stride = max(1, existing // (size * count))
        spread = ((position * stride) % existing + 1 for position in range(size * count))
        made = map(partial(row, generation=generation), spread)
    return [list(islice(made, size)) for _ in range(count)]
