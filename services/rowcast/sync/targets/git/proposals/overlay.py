"""What is proposed: the files that differ from the branch's, and the rows that they are of. Pure.

The base branch's index with the overlay over it is the place that rows are delivered to. A file that the base has, too,
needs no proposal any more, however it got there: by a merge, squashed, rebased, or written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held
from rowcast.core.row import RowKey
from rowcast.sync.targets.git.commits.changes import Changes
from rowcast.sync.targets.git.files.tree_index import Entry, Index, Place, is_foreign


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a path is to be: a file of a row with this content, or free of that row's file.

    `instead_of` is another row, whose file the base has there.
    """

    row: RowKey
    entry: Entry
    content: bytes | None
    instead_of: RowKey | None = None


def wanted_at(entry: Entry, below: Entry, content: bytes | None) -> Wanted | None:
    """What is to be where the base has `below`; None where that is the same, or not ours to change."""
    held = below if isinstance(below, Held) else None
    theirs = held.row if held is not None else None
    if _same(entry, below):
        return None
    if isinstance(entry, Held):
        row = entry.row
        return Wanted(row, entry, content, theirs if theirs != row else None)
    return Wanted(theirs, Place.FREE, None) if theirs is not None and entry is Place.FREE else None


@dataclass(frozen=True, slots=True)
class Proposed:
    """A row as it is proposed."""

    row: RowKey
    name: str
    generation: int
    deleted: bool
    outcome: Outcome
    saved_at: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """Rows that are no longer proposed: the base has them as they were proposed, or as something else."""

    merged: tuple[Proposed, ...] = ()
    passed: tuple[Proposed, ...] = ()


@dataclass(slots=True)
class Overlay:
    """`files` by path; `rows` has each row that one of the files is of."""

    files: dict[str, Wanted] = field(default_factory=dict)
    rows: dict[RowKey, Proposed] = field(default_factory=dict)

    @contextmanager
    def over(self, base: Index) -> Iterator[Index]:
        """The index of the proposal's tree, for as long as the context lasts; then it is the base's again."""
        before = {path: base.at(path) for path in self.files}
        try:
            for path, wanted in self.files.items():
                base.put(path, wanted.entry)
            yield base
        finally:
            base.restore(before)

    def own(self, row: RowKey, base: Index) -> list[Held]:
        """A row's files in the proposal's tree."""
        below = [held for held in base.own(row) if held.key not in self.files]
        return below + [one.entry for one in self.files.values() if one.row == row and isinstance(one.entry, Held)]

    def contents(self) -> Mapping[str, bytes | None]:
        """What a commit on the base has to write, or to remove."""
        return {path: wanted.content for path, wanted in self.files.items()}

    def paths(self, row: RowKey) -> list[str]:
        """The paths that a row's proposal changes."""
        return [path for path, wanted in self.files.items() if wanted.row == row]

    def with_changes(self, changes: Changes, entries: Mapping[str, Entry], base: Index) -> Overlay:
        """This overlay and a batch's changes: `entries` is what each changed path is to be, `base` is without them."""
        after = Overlay(dict(self.files), dict(self.rows))
        for path, content in changes.files.items():
            wanted = wanted_at(entries[path], base.at(path), content)
            if wanted is None:
                after.files.pop(path, None)
            else:
                after.files[path] = wanted
        for one in changes.judged:
            desired, row = one.desired, one.desired.row
            if one.written or one.left:
                outcome = _outcome(one.outcome, self.rows.get(row))
                after.rows[row] = Proposed(
                    row, desired.name, desired.generation, desired.deleted, outcome, desired.saved_at
                )
        after._forget_settled()
        return after

    def settle(self, base: Index) -> Settled:
        """Drop what the base has by now, or has otherwise by somebody else's decision."""
        for path, wanted in list(self.files.items()):
            if _same(wanted.entry, base.at(path)) or _overruled(wanted, base.at(path)):
                del self.files[path]
        gone = self._forget_settled()
        merged = [one for one in gone if _arrived(one, base)]
        return Settled(tuple(merged), tuple(one for one in gone if one not in merged))

    def _forget_settled(self) -> list[Proposed]:
        left = {row for wanted in self.files.values() for row in (wanted.row, wanted.instead_of)}
        return [self.rows.pop(row) for row in list(self.rows) if row not in left]


def _outcome(outcome: Outcome, known: Proposed | None) -> Outcome:
    """What the base has not got yet is created there by a later state, too."""
    later = known is not None and known.outcome is Outcome.CREATED and outcome is Outcome.CONFIGURED
    return Outcome.CREATED if later else outcome


def _same(wanted: Entry, there: Entry) -> bool:
    """The LSN doesn't count: one state has several, by its event and by a reading of the table."""
    if isinstance(wanted, Held) and isinstance(there, Held):
        return _state(wanted) == _state(there)
    return wanted is there


def _state(held: Held) -> tuple[RowKey, int, str]:
    return (held.row, held.generation, held.digest)


def _overruled(wanted: Wanted, there: Entry) -> bool:
    """The base has the row at this generation or a later one but not like this, or gave the place to something else."""
    if is_foreign(there):
        return True
    if not isinstance(there, Held):
        return False
    if isinstance(wanted.entry, Held):
        same_row = there.row == wanted.row
        return there.generation >= wanted.entry.generation if same_row else there.lsn > wanted.entry.lsn
    return there.row != wanted.row


def _arrived(one: Proposed, base: Index) -> bool:
    own = base.own(one.row)
    return not own if one.deleted else bool(own) and all(held.generation == one.generation for held in own)
