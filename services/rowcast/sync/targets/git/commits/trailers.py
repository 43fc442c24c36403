"""The trailers of our commits: what each says of rows, and for which platform and place it holds. Pure.

    Rowcast-Platform: rowcast
    Rowcast-Place: main:environments
    Rowcast-Table: app_configs
    Rowcast-Row: 42@7
    Rowcast-Row: 43@2 deleted

A trailer is believed for the platform and the place that it names, and for no other: rows' ids begin at 1 everywhere,
and one branch may have several places. Whether the commit is ours is not judged here (`history.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from rowcast.core.held import number
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Tombstones
from rowcast.core.ports import RowKey
from rowcast.sync.targets.git.commits.changes import Judged

PLATFORM, PLACE, TABLE, ROW = (f"Rowcast-{name}" for name in ("Platform", "Place", "Table", "Row"))
_TABLE = re.compile(rf"{TABLE}: ([A-Za-z0-9_.-]{{1,63}})")
_ROW = re.compile(rf"{ROW}: ([0-9]{{1,19}})@([0-9]{{1,19}})(?: (deleted|left|displaced))?")


class Word(StrEnum):
    """What became of a row's file with a commit."""

    WRITTEN = ""
    DELETED = "deleted"
    LEFT = "left"
    """The row is at another place now, and may come back as it is."""
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
    table = None
    noted = (one for one in judged if one.written or one.left or one.desired.deleted)
    for one in sorted((one for one in noted if one.outcome is not Outcome.STALE), key=lambda one: one.desired.table):
        if one.desired.table != table:
            table = one.desired.table
            yield f"{TABLE}: {table}"
        yield _line(*one.desired.row, one.desired.generation, _word(one))
        yield from (_line(*other.row, other.generation, Word.DISPLACED) for other in one.displaced)


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
            tombstones.forget(*note.row)
        else:
            tombstones.bury(*note.row, note.generation - (note.word is Word.LEFT))


def rows_of(said: Iterable[Note]) -> dict[RowKey, tuple[int, bool]]:
    """At which generation each row is at last, and whether that is no longer here; oldest first."""
    return {
        note.row: (note.generation, note.word is not Word.WRITTEN) for note in said if note.word is not Word.DISPLACED
    }


def _notes(lines: Iterable[str], nowhere: bool) -> Iterator[Note]:
    table = ""
    for line in lines:
        if match := _TABLE.fullmatch(line):
            table = match[1]
        elif table and (match := _ROW.fullmatch(line)):
            row_id, generation = number(match[1]), number(match[2])
            if row_id is not None and generation is not None:
                yield Note((table, row_id), generation, Word(match[3] or ""), nowhere)


def _line(_table: str, row_id: int, generation: int, word: Word) -> str:
    return f"{ROW}: {row_id}@{generation}" + (f" {word}" if word else "")


def _word(one: Judged) -> Word:
    if not one.desired.deleted:
        return Word.WRITTEN
    return Word.LEFT if one.desired.elsewhere else Word.DELETED


def _quoted(text: str) -> str:
    return quote(text, safe="/", errors="surrogatepass")
