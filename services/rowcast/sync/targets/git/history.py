"""Commits as they are in the log, and what of them is believed.

A commit's words count only if it is ours: by our committer, and signed with our key where we sign. Whoever can get
words into a message otherwise (the text of a squashed request, say) says nothing with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rowcast.core.plan import Tombstones
from rowcast.sync.targets.git.commits import trailers
from rowcast.sync.targets.git.commits.trailers import Note, Word
from rowcast.sync.targets.git.files.tree_index import Index
from rowcast.sync.targets.git.settings import GitSettings
from rowcast.sync.targets.git.tree import Repository

_FORM = "%x00".join(("%H", "%cn <%ce>", "%an <%ae>", "%at", "%B"))
"""Neither a name nor a message can have the byte 0 in it."""
_FIELDS = 5


class Verifying(Repository, Protocol):
    """A repository that knows our key."""

    async def verified(self, commits: Collection[str]) -> frozenset[str]:
        """Those of these commits that our key has signed; all of them where we don't sign. Raises TransientError."""
        ...


@dataclass(frozen=True, slots=True)
class Logged:
    """One commit. `authored_at` is in seconds since 1970."""

    name: str
    committer: str
    author: str
    authored_at: int
    message: str


async def logged(
    repository: Repository, commits: str, *, root: str = "", most: int | None = None, first_parents: bool = False
) -> list[Logged]:
    """A range of commits, newest first: those that touch `root`, the newest `most` of them. Raises GitError."""
    options = [f"--max-count={most}"] if most is not None else []
    options += ["--first-parent"] if first_parents else []
    paths = ["--full-history", commits, "--", root] if root else [commits, "--"]
    out = await repository.read("log", "-z", f"--format={_FORM}", *options, *paths)
    return list(_parsed(out.decode(errors="replace").split("\0")))


async def believed(
    repository: Verifying, newest_first: Sequence[Logged], settings: GitSettings, tombstones: Tombstones
) -> list[Note]:
    """What commits say of this place's rows, as far as they are ours, oldest first. Raises TransientError.

    A signature costs some milliseconds: only those are looked at that have to do with a row that is not here any more.
    """
    ours = [one for one in reversed(newest_first) if one.committer == settings.committer]
    said = {one.name: trailers.notes(one.message, settings.origin) for one in ours}
    every = [note for notes in said.values() for note in notes]
    gone = {note.row for note in every if note.word is not Word.WRITTEN or tombstones.get(note.row) is not None}
    concerned = {name for name, notes in said.items() if any(note.row in gone for note in notes)}
    verified = await repository.verified(concerned)
    return [note for name, notes in said.items() if name in verified or name not in concerned for note in notes]


def credible(said: Iterable[Note], index: Index) -> Iterator[Note]:
    """Without what the tree contradicts in commits of before there were places.

    Those called it a deletion, too, when a row had only left another place: one of another branch that was merged, say.
    """
    for note in said:
        there = max((held.generation for held in index.own(note.row)), default=0) if note.nowhere else 0
        if note.word is Word.WRITTEN or not note.nowhere or there < note.generation:
            yield note


def _parsed(fields: Sequence[str]) -> Iterator[Logged]:
    for at in range(0, len(fields) - _FIELDS + 1, _FIELDS):
        name, committer, author, moment, message = fields[at : at + _FIELDS]
        yield Logged(name, committer, author, int(moment or 0), message)
