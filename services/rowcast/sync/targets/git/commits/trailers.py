"""The trailers of our commits: what each says of rows, and for which platform and place it holds. Pure.

    Rowcast-Platform: rowcast
    Rowcast-Place: main:environments
    Rowcast-Table: app_configs
    Rowcast-Row: 42@7
    Rowcast-Row: 43@2 deleted
    Rowcast-Renderer: tenants
    Rowcast-Row: eu%2C7@3

A trailer is believed for the platform and the place that it names, and for no other: rows' ids begin at 1 everywhere,
and one branch may have several places. Whether the commit is ours is not judged here (`history.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote

from rowcast.core.events import TABLE as APP_CONFIGS_TABLE
from rowcast.core.held import number
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Tombstones
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.sync.targets.git.commits.changes import Judged

PLATFORM, PLACE, ROW = (f"Rowcast-{name}" for name in ("Platform", "Place", "Row"))
TABLE, RENDERER = (f"Rowcast-{name}" for name in ("Table", "Renderer"))
_RENDERER = re.compile(rf"{RENDERER}: ([a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?)")
_ROW = re.compile(rf"{ROW}: ([A-Za-z0-9_.~%-]{{1,9000}})@([0-9]{{1,19}})(?: (deleted|left|displaced))?")


class Word(StrEnum):
    """What became of a row's file with a commit."""

    WRITTEN = ""
    DELETED = "deleted"
    LEFT = "left"
    """The row is at another place now, or renders to nothing, and may come back as it is."""
    DISPLACED = "displaced"
    """Another row has taken its name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who says something, and of which place: a folder on a branch."""

    platform: str
    branch: str
    root: str

    def lines(self) -> Sequence[str]:
        """As trailers. Whatever may be in a folder's name, each is one line of printable ASCII."""
        place = f"{_quoted(self.branch)}:{_quoted(self.root)}"
        return (f"{PLATFORM}: {_quoted(self.platform)}", f"{PLACE}: {place}")


@dataclass(frozen=True, slots=True)
class Note:
    """One row in one commit. `nowhere`: the commit is of a version that named neither platform nor place."""

    row: RowKey
    generation: int
    word: Word
    nowhere: bool = False


def trailers(judged: Iterable[Judged], origin: Origin) -> Iterator[str]:
    """What a commit says of rows.

    Deletions that had nothing left to delete are noted too: the fence must outlive this process.
    """
    yield from origin.lines()
    said = [
        note
        for one in judged
        if one.outcome is not Outcome.STALE and (one.written or one.left or not one.desired.manifests)
        for note in (
            (one.desired.row, one.desired.generation, _word(one)),
            *((other.row, other.generation, Word.DISPLACED) for other in one.displaced),
        )
    ]
    renderer = None
    for row, generation, word in sorted(said, key=lambda note: note[0].renderer):
        if row.renderer != renderer:
            renderer = row.renderer
            yield f"{TABLE}: {APP_CONFIGS_TABLE}" if renderer == APP_CONFIGS else f"{RENDERER}: {renderer}"
        yield f"{ROW}: {quote(row.key, safe='')}@{generation}" + (f" {word}" if word else "")


def notes(message: str, origin: Origin) -> list[Note]:
    """What the last paragraph of a message says of rows at this place. Never raises."""
    lines = message.rstrip("\n").rpartition("\n\n")[2].split("\n")
    named = [line for line in lines if line.startswith((f"{PLATFORM}:", f"{PLACE}:"))]
    if named and (tuple(named) != tuple(origin.lines()) or lines[: len(named)] != named):
        return []
    return list(_notes(lines[len(named) :], nowhere=not named))


def bury(said: Iterable[Note], tombstones: Tombstones) -> None:
    """Learn from notes, oldest first, which rows are not here, and up to which generation that holds."""
    for note in said:
        if note.word is Word.WRITTEN:
            tombstones.forget(note.row)
        else:
            tombstones.bury(note.row, note.generation - (note.word is Word.LEFT))


def rows_of(said: Iterable[Note]) -> dict[RowKey, tuple[int, bool]]:
    """At which generation each row is at last, and whether that is no longer here; oldest first."""
    return {
        note.row: (note.generation, note.word is not Word.WRITTEN) for note in said if note.word is not Word.DISPLACED
    }


def _notes(lines: Iterable[str], nowhere: bool) -> Iterator[Note]:
    renderer = ""
    for line in lines:
        if line == f"{TABLE}: {APP_CONFIGS_TABLE}":
            renderer = APP_CONFIGS
        elif match := _RENDERER.fullmatch(line):
            renderer = match[1] if match[1] != APP_CONFIGS else ""
        elif renderer and (match := _ROW.fullmatch(line)):
            key, generation = unquote(match[1]), number(match[2])
            if renderer == APP_CONFIGS:
                key = "" if (row_id := number(key)) is None else str(row_id)
            if key and generation is not None:
                yield Note(RowKey(renderer, key), generation, Word(match[3] or ""), nowhere)


def _word(one: Judged) -> Word:
    if one.desired.manifests:
        return Word.WRITTEN
    return Word.LEFT if one.desired.elsewhere or one.desired.present else Word.DELETED


def _quoted(text: str) -> str:
    return quote(text, safe="/", errors="surrogatepass")
