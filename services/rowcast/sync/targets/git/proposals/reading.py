"""Reads a proposal back from its commits: whatever has become of the process that made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held
from rowcast.core.row import RowKey
from rowcast.sync.targets.git import tree
from rowcast.sync.targets.git.commits.message import plain
from rowcast.sync.targets.git.commits.trailers import Note, notes, rows_of
from rowcast.sync.targets.git.files.reading import read_held
from rowcast.sync.targets.git.files.tree_index import Entry, Place
from rowcast.sync.targets.git.history import Logged, Verifying, logged
from rowcast.sync.targets.git.proposals.overlay import Overlay, Proposed, Wanted, wanted_at
from rowcast.sync.targets.git.repository.process import GitError
from rowcast.sync.targets.git.settings import GitSettings

Rows = Mapping[RowKey, tuple[int, bool]]

_ON = "Rowcast-Proposed-On"
_TRAILER = re.compile(rf"^{_ON}: ([0-9a-f]{{40,64}})$", re.MULTILINE)
_LOOKED_AT = 200
"""How many commits on top of ours may be somebody else's before the whole branch counts as theirs."""


@dataclass(frozen=True, slots=True)
class Made:
    """One commit of a proposal: enough to make it again on another tip. The message has no word of the old one."""

    author: str
    authored_at: int
    message: str
    files: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal's commits, oldest first, and what they come to. `foreign` is the first commit that isn't ours.

    `notes` is what our commits say of rows, as far as that is believed.
    """

    on: str
    commits: tuple[Made, ...]
    overlay: Overlay
    notes: tuple[Note, ...] = ()
    foreign: str | None = None


def marked(message: str, on: str) -> str:
    """A commit's message with the commit of the base that its proposal is made on."""
    message = message.rstrip("\n")
    body, _, last = message.rpartition("\n\n")
    has_trailers = bool(body) and last.startswith("Rowcast-")
    return f"{message}{'' if has_trailers else chr(10)}\n{_ON}: {on}\n"


def unmarked(message: str) -> str:
    """A message without that."""
    return _TRAILER.sub("", message).rstrip("\n") + "\n"


async def read_proposal(repository: Verifying, tip: str, settings: GitSettings) -> Proposal | None:
    """What the commits up to a tip propose; None when none of the newest is ours. Raises TransientError."""

    def stranger(one: Logged) -> bool:
        return one.committer != settings.committer or _on(one) is None

    log = await logged(repository, tip, most=_LOOKED_AT, first_parents=True)
    newest = next((at for at, one in enumerate(log) if not stranger(one)), None)
    on = _on(log[newest]) if newest is not None else None
    if newest is None or on is None or not await _is_on(repository, on, log[newest].name):
        return None
    made = await logged(repository, f"{on}..{log[newest].name}", first_parents=True)
    strangers = [one for one in (*reversed(log[:newest]), *made) if stranger(one)]
    ours = [one for one in made if one not in strangers]
    # Made again, a commit gets our signature: one that hasn't got it now loses its words, and its files stay proposed.
    verified = await repository.verified([one.name for one in ours])
    ours = [one if one.name in verified else _unsaid(one, settings) for one in ours]
    commits = [await _made(repository, one) for one in reversed(ours)]
    said = [note for one in reversed(ours) for note in notes(one.message, settings.origin)]
    silent = any(one.name not in verified for one in ours)
    overlay = await _overlay(repository, on, log[newest].name, settings, rows_of(said), silent=silent)
    foreign = f"{strangers[0].name[:10]} by {plain(strangers[0].author.rpartition(' ')[0])}" if strangers else None
    return Proposal(on, tuple(commits), overlay, tuple(said), foreign)


async def contents_since(repository: tree.Repository, base: str, tip: str) -> dict[str, bytes | None]:
    """What differs in a tip's tree from where it left the base. Raises GitError."""
    fork = (await repository.read("merge-base", base, tip)).decode().strip()
    nodes = await tree.changed(repository, fork, tip, "")
    others = {node.path: node.mode.encode() for node in nodes if node.mode not in (*tree.FILE_MODES, tree.GONE)}
    return {**await tree.written(repository, [node for node in nodes if node.path not in others]), **others}


def _on(one: Logged) -> str | None:
    found = _TRAILER.findall(one.message.rstrip("\n").rpartition("\n\n")[2])
    return str(found[-1]) if found else None


def _unsaid(one: Logged, settings: GitSettings) -> Logged:
    """The commit without what it says of rows, and of who made it."""
    body = one.message.rstrip("\n").rpartition("\n\n")[0] or one.message.partition("\n")[0]
    message = "\n\n".join((body, "\n".join(settings.origin.lines()))) + "\n"
    return replace(one, message=message, author=settings.committer)


async def _is_on(repository: Verifying, on: str, tip: str) -> bool:
    """Anybody can write any hash into a commit."""
    try:
        return (await repository.read("merge-base", on, tip)).decode().strip() == on
    except GitError:
        return False


async def _made(repository: tree.Repository, one: Logged) -> Made:
    nodes = await tree.changed(repository, f"{one.name}^", one.name, "")
    return Made(one.author, one.authored_at, unmarked(one.message), await tree.written(repository, nodes))


async def _overlay(
    repository: tree.Repository, on: str, tip: str, settings: GitSettings, rows: Rows, *, silent: bool
) -> Overlay:
    root, target = settings.root, settings.target
    nodes = await tree.changed(repository, on, tip, root.partition("/")[0])
    before = await tree.changed(repository, tip, on, root.partition("/")[0])
    entries = {path: entry async for path, entry in tree.entries(repository, nodes, root, target)}
    below = {path: entry async for path, entry in tree.entries(repository, before, root, target)}
    files: dict[str, Wanted] = {}
    for path, content in (await tree.written(repository, nodes)).items():
        wanted = wanted_at(entries[path], below[path], content)
        if wanted is not None:
            files[path] = wanted
    if silent:
        rows = _rows_of_files(files, below) | dict(rows)
    return Overlay(files, {row: proposed for row in rows if (proposed := _proposed(row, rows, files, below))})


def _rows_of_files(files: Mapping[str, Wanted], below: Mapping[str, Entry]) -> dict[RowKey, tuple[int, bool]]:
    """What the files alone tell of their rows, where a commit says nothing."""
    rows: dict[RowKey, tuple[int, bool]] = {}
    for path, wanted in files.items():
        held = wanted.entry if isinstance(wanted.entry, Held) else below[path]
        if isinstance(held, Held) and (held is wanted.entry or held.row not in rows):
            rows[held.row] = (held.generation, held is not wanted.entry)
    return rows


def _proposed(row: RowKey, rows: Rows, files: Mapping[str, Wanted], below: Mapping[str, Entry]) -> Proposed | None:
    paths = [path for path, wanted in files.items() if row in (wanted.row, wanted.instead_of)]
    if not paths:
        return None
    generation, deleted = rows[row]
    held = [path for path in paths if isinstance(files[path].entry, Held)]
    name = (held or paths)[0].rpartition("/")[2].rpartition(".")[0]
    known = any(isinstance(one, Held) and one.row == row for one in below.values())
    outcome = Outcome.DELETED if deleted else Outcome.CONFIGURED if known else Outcome.CREATED
    return Proposed(row, name, generation, deleted, outcome)


def same_file(path: str, content: bytes | None, there: Entry) -> bool:
    """Whether writing a path (None: removing it) would change nothing."""
    if content is None:
        return there is Place.FREE
    return isinstance(there, Held) and read_held(path, content) == there
