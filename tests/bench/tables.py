"""Figures as text: a spread, and rows of a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median


def spread(values: Sequence[float], digits: int | None = None) -> str:
    """Median (min to max); with one digit behind the point where the median is below 20, unless `digits` says."""
    if digits is None:
        digits = 0 if median(values) >= 20 else 1
    middle, least, most = (f"{value:,.{digits}f}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"


def row(cells: Sequence[str]) -> str:
    """A row of the table."""
    return f"| {' | '.join(cells)} |"


def head(columns: Sequence[str]) -> str:
    """The first two lines of the table."""
    return row(columns) + "\n" + "|---" * len(columns) + "|"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """All of it, by lines."""
    yield head(columns)
    yield from map(row, rows)
