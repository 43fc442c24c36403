"""Reads a proposal back from its commits: whatever has become of the process that made it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held
from rowcast.core.ports import RowKey
from rowcast.sync.targets.git import tree
from rowcast.sync.targets.git.files import read_held
from rowcast.sync.targets.git.index import Entry, Place
from rowcast.sync.targets.git.message import rows_of
from rowcast.sync.targets.git.proposals.overlay import Overlay, Proposed, Wanted, wanted_at

_ON = "Rowcast-Proposed-On"
_TRAILER = re.compile(rf"^{_ON}: ([0-9a-f]{{40,64}})$", re.MULTILINE)
_LOOKED_AT = 200
"""How many commits on top of ours may be somebody else's before the whole branch counts as theirs."""
_FORM = "%H%x01%cn <%ce>%x01%an <%ae>%x01%at%x01%B"


@dataclass(frozen=True, slots=True)
class Made:
    """One commit of a proposal: enough to make it again on another tip. The message has no word of the old one."""

    author: str
    authored_at: int
    message: str
    files: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal's commits, oldest first, and what they come to. `foreign` is the first commit that isn't ours."""

    on: str
    commits: tuple[Made, ...]
    overlay: Overlay
    foreign: str | None = None


@dataclass(frozen=True, slots=True)
class _Logged:
    name: str
    committer: str
    author: str
    authored_at: int
    message: str

    def on(self) -> str | None:
        found = _TRAILER.findall(self.message.rstrip().rpartition("\n\n")[2])
        return str(found[-1]) if found else None


def marked(message: str, on: str) -> str:
    """A commit's message with the commit of the base that its proposal is made on."""
    body, _, last = message.rstrip("\n").rpartition("\n\n")
    trailers = bool(body) and all(line.startswith("Rowcast-") for line in last.splitlines()[:1])
    return f"{message.rstrip()}{'' if trailers else chr(10)}\n{_ON}: {on}\n"


def unmarked(message: str) -> str:
    """A message without that."""
    return _TRAILER.sub("", message).rstrip("\n") + "\n"


async def read_proposal(repository: tree.Repository, tip: str, committer: str, root: str) -> Proposal | None:
    """What the commits up to a tip propose; None when none of the newest is ours. Raises GitError."""
    log = await _log(repository, f"--max-count={_LOOKED_AT}", tip)
    ours = next((at for at, one in enumerate(log) if one.committer == committer and one.on()), None)
    on = log[ours].on() if ours is not None else None
    if ours is None or on is None:
        return None
    made = await _log(repository, f"{on}..{log[ours].name}")
    strangers = [one for one in (*reversed(log[:ours]), *made) if one.committer != committer or not one.on()]
    commits = [await _made(repository, one) for one in reversed(made) if one not in strangers]
    overlay = await _overlay(repository, on, log[ours].name, root, [one.message for one in commits])
    foreign = f"{strangers[0].name[:10]} by {strangers[0].author.rpartition(' ')[0]}" if strangers else None
    return Proposal(on, tuple(commits), overlay, foreign)


async def contents_since(repository: tree.Repository, base: str, tip: str) -> dict[str, bytes | None]:
    """What differs in a tip's tree from where it left the base. Raises GitError."""
    fork = (await repository.read("merge-base", base, tip)).decode().strip()
    nodes = await tree.changed(repository, fork, tip, "")
    others = {node.path: node.mode.encode() for node in nodes if node.mode not in (*tree.FILE_MODES, tree.GONE)}
    return {**await tree.written(repository, [node for node in nodes if node.path not in others]), **others}


async def _log(repository: tree.Repository, *which: str) -> list[_Logged]:
    """Commits of the first line of parents, newest first."""
    out = await repository.read("log", "-z", "--first-parent", f"--format={_FORM}", *which, "--")
    records = [record.split("\x01", 4) for record in out.decode(errors="replace").split("\0") if record]
    return [_Logged(name, committer, author, int(at), message) for name, committer, author, at, message in records]


async def _made(repository: tree.Repository, one: _Logged) -> Made:
    nodes = await tree.changed(repository, f"{one.name}^", one.name, "")
    return Made(one.author, one.authored_at, unmarked(one.message), await tree.written(repository, nodes))


async def _overlay(repository: tree.Repository, on: str, tip: str, root: str, messages: list[str]) -> Overlay:
    nodes = await tree.changed(repository, on, tip, root.partition("/")[0])
    before = await tree.changed(repository, tip, on, root.partition("/")[0])
    entries = {path: entry async for path, entry in tree.entries(repository, nodes, root)}
    below = {path: entry async for path, entry in tree.entries(repository, before, root)}
    files: dict[str, Wanted] = {}
    for path, content in (await tree.written(repository, nodes)).items():
        wanted = wanted_at(entries[path], below[path], content)
        if wanted is not None:
            files[path] = wanted
    rows = rows_of(messages)
    return Overlay(files, {row: proposed for row in rows if (proposed := _proposed(row, rows, files, below))})


def _proposed(
    row: RowKey, rows: Mapping[RowKey, tuple[int, bool]], files: Mapping[str, Wanted], below: Mapping[str, Entry]
) -> Proposed | None:
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
