"""An import as a table: where, what, and why not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bulk.models import Action, ImportLine, ImportReport
from shared.formatting import sentence

WORDS: Final[Mapping[Action, str]] = {"create": "create", "change": "change", "none": "unchanged", "refuse": "refuse"}
DONE: Final[Mapping[Action, str]] = {
    "create": "created",
    "change": "changed",
    "none": "unchanged",
    "refuse": "refused",
}
COLOURS: Final[Mapping[Action, Literal["green", "blue", "gray", "red"]]] = {
    "create": "green",
    "change": "blue",
    "none": "gray",
    "refuse": "red",
}


@dataclass(frozen=True)
class Table:
    """The lines as columns of equal length."""

    places: tuple[str, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]
    details: tuple[str, ...]


def table(lines: Iterable[ImportLine], places: Sequence[str], only: Action | None = None) -> Table:
    """Return the lines, or those with one action; `places` says where each row stands in its file."""
    shown = [line for line in lines if only in (None, line.action)]
    return Table(
        tuple(places[line.index] for line in shown),
        tuple(line.name for line in shown),
        tuple(WORDS[line.action] for line in shown),
        tuple(detail(line) for line in shown),
    )


def detail(line: ImportLine) -> str:
    """Return what differs, or why it is refused, in one line."""
    if line.errors:
        return " ".join(f"{error.field}: {sentence(error.message)}" for error in line.errors)
    if line.action == "change":
        return ", ".join(f"{field}: {before} → {after}" for field, (before, after) in line.fields.items())
    if line.action == "create":
        return ", ".join(str(after) for field, (_, after) in line.fields.items() if field != "name")
    return ""


def chunks(count: int, most: int) -> Iterable[range]:
    """Return the positions of `count` rows in parts of at most `most`."""
    return (range(start, min(start + most, count)) for start in range(0, count, most))


def placed(lines: Iterable[ImportLine], positions: Sequence[int]) -> tuple[ImportLine, ...]:
    """Return the lines of a part with the positions that they have in the whole."""
    return tuple(replace(line, index=positions[line.index]) for line in lines)


def summary(report: ImportReport) -> str:
    """Return what was done in a sentence."""
    parts = [f"{report.count(action):,} {word}" for action, word in DONE.items() if report.count(action)]
    return f"{', '.join(parts)}.".capitalize() if parts else "Nothing was to be done."
