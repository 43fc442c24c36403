"""Our copy of the remote's branch: its tip, the index of its tree, and how both go forward."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import yaml

import rowcast
from rowcast.core.errors import TransientError
from rowcast.core.plan import Held, Tombstones
from rowcast.core.ports import DriftListener
from rowcast.runtime.logging import get_logger
from rowcast.sync.targets.git import history, tree
from rowcast.sync.targets.git.commits import trailers
from rowcast.sync.targets.git.files.tree_index import Entry, Index
from rowcast.sync.targets.git.repository.mirror import Mirror
from rowcast.sync.targets.git.repository.process import GitError
from rowcast.sync.targets.git.repository.stream import Commit
from rowcast.sync.targets.git.settings import GitSettings

LOGGED_EVERY = 100_000
"""Files read at the start, between two lines of the log: very many take minutes."""


class LostRaceError(TransientError):
    """The branch, or our copy of it, is not what the batch was judged against: judge it anew."""


class Branch:
    """`index` is what the tree of `tip` holds; a `tip` of None is a branch that does not exist.

    While `current` is false the remote may be elsewhere, and `refresh` asks it; while it is true nobody else is known
    to have pushed, and the next push finds out.
    """

    def __init__(self, settings: GitSettings, mirror: Mirror, tombstones: Tombstones) -> None:
        self._settings = settings
        self._mirror = mirror
        self._tombstones = tombstones
        self._opened = False
        self._turn = asyncio.Lock()
        self.listener: DriftListener | None = None
        self.index = Index()
        self.tip: str | None = None
        self.current = False
        self._log = get_logger("rowcast.target")

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let nobody else read or write the branch meanwhile. Raises TransientError when the index is of no use."""
        async with self._turn:
            try:
                yield
            except sqlite3.Error as error:
                self._log.warning("the index of the branch is damaged, reading it again", error=str(error))
                self._shut()
                raise TransientError(f"cache folder: the branch's index: {error}") from error

    async def refresh(self) -> None:
        """Bring index and tip to where the remote's branch is. Raises TransientError."""
        if not self._opened:
            await self._mirror.open()
            self.index = Index(self._settings.cache / "index.db", _reading(self._settings))
            self._opened = True
        tip = await self._mirror.remote_tip()
        if tip != self.tip:
            try:
                await self._follow(tip)
            except GitError as error:
                # The remote has just answered: it is our copy that is suspect.
                await self.throw_away(error)
                await self._follow(tip)
        self.current = True

    async def advance(self, commit: Commit) -> None:
        """Make a commit on the tip and push it.

        Raises LostRaceError when the batch has to be judged anew, TransientError when the remote does not take it.
        """
        self.current = False
        name = await self._write(commit)
        try:
            await self._mirror.push(name, expected=self.tip, files=len(commit.files))
        except GitError as error:
            await self._explain(name, error)
        self.tip, self.current = name, True
        self.index.tip = name

    def close(self) -> None:
        """Let go of the cache folder, and leave the index there for the next one."""
        with suppress(sqlite3.Error, OSError):
            self.index.close()
        self._shut()
        self._mirror.close()

    async def _write(self, commit: Commit) -> str:
        try:
            return await self._mirror.write(commit)
        except GitError as error:
            await self.throw_away(error)
            raise LostRaceError(str(error)) from error

    async def _explain(self, name: str, error: GitError) -> None:
        """Why a push failed is read off the remote, not off git's words: returns when it arrived after all."""
        tip = await self._mirror.remote_tip()
        if tip == name:
            return
        if tip != self.tip:
            raise LostRaceError(f"the branch has moved: {error}") from error
        raise error

    async def _follow(self, tip: str | None) -> None:
        if tip is None:
            self._forget()
            return
        tip, before = await self._mirror.fetch(), self.tip
        news = tip if before is None else f"{before}..{tip}"
        logged = await history.logged(self._mirror, news, root=self._settings.root, most=self._settings.history)
        said = await history.believed(self._mirror, logged, self._settings, self._tombstones)
        known = before or self.index.tip
        paths = await (self._read(tip) if known is None else self._catch_up(known, tip))
        trailers.bury(history.credible(said, self.index), self._tombstones)
        self.tip = self.index.tip = tip
        self._log.info("read the branch", tip=tip, before=known, paths=paths)

    async def _read(self, tip: str) -> int:
        self.index.clear()
        paths = 0
        nodes = await tree.listed(self._mirror, tip, self._top)
        async for path, entry in tree.entries(self._mirror, nodes, self._settings.root, self._settings.target):
            self.index.put(path, entry)
            paths += 1
            if paths % LOGGED_EVERY == 0:
                self._log.info("reading the branch", tip=tip, paths=paths)
        return paths

    async def _catch_up(self, old: str, new: str) -> int:
        """All or nothing, so nothing is awaited once it begins: an index between two tips would never heal."""
        nodes = await tree.changed(self._mirror, old, new, self._top)
        seen = [entry async for entry in tree.entries(self._mirror, nodes, self._settings.root, self._settings.target)]
        for path, entry in seen:
            self._tell(self.index.at(path), entry)
            self.index.put(path, entry)
        return len(nodes)

    def _tell(self, before: Entry, after: Entry) -> None:
        """Somebody else made these commits: a row whose file they touched may be no longer as we left it."""
        if self.listener is not None and self.tip is not None:
            for held in (before, after):
                if isinstance(held, Held) and before != after:
                    self.listener(held.row)

    @property
    def _top(self) -> str:
        """The root's first folder: a file on the way to the root matters, too."""
        return self._settings.root.partition("/")[0]

    def _forget(self) -> None:
        self.index.clear()
        self.tip = None

    def _shut(self) -> None:
        self.index, self.tip = Index(), None
        self._opened = self.current = False

    async def throw_away(self, error: GitError) -> None:
        """The local copy is damaged: begin an empty one, which the next `refresh` fills."""
        self._log.warning("the local mirror is damaged, cloning again", error=str(error))
        self._forget()
        await self._mirror.rebuild()


def _reading(settings: GitSettings) -> str:
    """What decides how a tree is read, and how far its index may be believed.

    SQLite doesn't wait for the disk, so an index is of this start of the machine alone.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        boot = str(uuid.uuid4())
    of = (_code(), boot, settings.url, settings.ref, settings.root, settings.target)
    return hashlib.sha256("\0".join(of).encode()).hexdigest()


@functools.cache
def _code() -> str:
    """Of the code that reads files: another version may read them otherwise."""
    package = Path(rowcast.__file__).parent
    digest = hashlib.sha256(f"{sys.version} {yaml.__version__}".encode())
    for folder in ("core", "sync/targets/git"):
        for file in sorted((package / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
