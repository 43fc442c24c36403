"""Delivers rows to a branch: one commit per batch, pushed only onto the tip that it was judged against."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Tombstones
from rowcast.core.ports import Delivered, Failed, Result, RowKey
from rowcast.core.render import Desired
from rowcast.runtime.logging import get_logger
from rowcast.sync.targets.git import tree
from rowcast.sync.targets.git.changes import Changes, decide
from rowcast.sync.targets.git.index import Index
from rowcast.sync.targets.git.message import bury_deleted, message_of, people_of
from rowcast.sync.targets.git.mirror import Mirror
from rowcast.sync.targets.git.process import GitError
from rowcast.sync.targets.git.settings import GitSettings
from rowcast.sync.targets.git.stream import Commit


class LostRaceError(TransientError):
    """The branch, or our copy of it, is not what the batch was judged against: judge it anew."""


class GitTarget:
    """The `Target` port over one branch of one repository.

    The index belongs to `_tip`. While `_current` is false the remote may be elsewhere, and is asked before anything
    is judged; while it is true nobody else is known to have pushed, and the push itself finds out.
    """

    name = "git"

    def __init__(self, settings: GitSettings, tombstones: Tombstones | None = None) -> None:
        self._settings = settings
        self._mirror = Mirror(settings)
        self._tombstones = tombstones or Tombstones()
        self._index = Index()
        self._tip: str | None = None
        self._current = False
        self._opened = False
        self._turn = asyncio.Lock()
        self._commits = 0
        self._upkeep: asyncio.Task[None] | None = None
        self._log = get_logger("rowcast.target")

    async def start(self) -> None:
        """Lock the cache folder, fetch the branch and read the files that carry our labels."""
        async with self._turn:
            await self._refresh()

    async def close(self) -> None:
        """End the upkeep and let go of the cache folder."""
        async with self._turn:
            if self._upkeep is not None:
                self._upkeep.cancel()
                await asyncio.gather(self._upkeep, return_exceptions=True)
            self._mirror.close()
            self._opened = self._current = False

    async def check(self) -> None:
        """Ask the remote for the branch. Raises TransientError with git's words when it cannot be reached."""
        await self._mirror.remote_tip()

    async def inventory(self) -> Sequence[Held]:
        """Every file of ours on the remote's branch as it is now."""
        async with self._turn:
            await self._refresh()
            return list(self._index)

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Deliver a batch in at most one commit. Raises TransientError when nothing of it was delivered."""
        async with self._turn:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(LostRaceError),
                stop=stop_after_attempt(self._settings.attempts),
                wait=wait_random_exponential(multiplier=0.02, max=1),
                reraise=True,
            ):
                with attempt:
                    return await self._deliver(batch)
        raise AssertionError("unreachable: the last attempt raises")

    async def _deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        if not self._current:
            await self._refresh()
        changes = decide(batch, self._index, self._tombstones, self._settings.root)
        if changes.files:
            await self._commit(changes)
        for one in changes.judged:
            if one.desired.deleted and one.outcome is not Outcome.STALE:
                self._tombstones.bury(one.desired.table, one.desired.row_id, one.desired.generation)
        return self._results(changes)

    def _results(self, changes: Changes) -> dict[RowKey, Result]:
        results: dict[RowKey, Result] = {row: Failed(error) for row, error in changes.failed.items()}
        for one in changes.judged:
            reference = None if one.outcome is Outcome.STALE else self._tip
            results[one.desired.table, one.desired.row_id] = Delivered(one.outcome, reference)
        return results

    async def _commit(self, changes: Changes) -> None:
        landed = self._current = False
        index = self._index
        try:
            commit = await self._write(changes)
            await self._push(commit)
            landed = True
        finally:
            if not landed:
                index.restore(changes.before)
        self._tip, self._current = commit, True
        self._commits += 1
        if self._commits % self._settings.maintenance_every == 0:
            self._maintain()

    async def _write(self, changes: Changes) -> str:
        try:
            return await self._mirror.write(self._commit_of(changes))
        except GitError as error:
            await self._throw_away(error)
            raise LostRaceError(str(error)) from error

    def _commit_of(self, changes: Changes) -> Commit:
        settings = self._settings
        now = int(time.time())
        return Commit(
            parent=self._tip,
            author=people_of(changes.judged, settings.author_domain)[0],
            authored_at=_saved_at(changes) or now,
            committer=f"{settings.committer_name} <{settings.committer_email}>",
            committed_at=now,
            message=message_of(changes.judged, settings.author_domain),
            files=changes.files,
        )

    async def _push(self, commit: str) -> None:
        try:
            await self._mirror.push(commit, expected=self._tip)
        except GitError as error:
            await self._after_refusal(commit, error)

    async def _after_refusal(self, commit: str, error: GitError) -> None:
        """Why a push failed is read off the remote, not off git's words: returns when it arrived after all."""
        tip = await self._mirror.remote_tip()
        if tip == commit:
            return
        if tip != self._tip:
            raise LostRaceError(f"the branch has moved: {error}") from error
        if not await self._mirror.is_sound():
            await self._throw_away(error)
            raise LostRaceError(str(error)) from error
        raise error

    async def _refresh(self) -> None:
        """Bring the index to the remote's tip."""
        if not self._opened:
            await self._mirror.open()
            self._opened = True
            self._forget()
        tip = await self._mirror.remote_tip()
        if tip != self._tip:
            try:
                await self._follow(tip)
            except GitError as error:
                # The remote has just answered: it is our copy that is suspect.
                await self._throw_away(error)
                await self._follow(tip)
        self._current = True

    async def _follow(self, tip: str | None) -> None:
        if tip is None:
            self._forget()
            return
        tip = await self._mirror.fetch()
        old, folder = self._tip, self._settings.root.partition("/")[0]
        if old is None:
            nodes = await tree.listed(self._mirror, tip, folder)
            index = Index()
        else:
            nodes = await tree.changed(self._mirror, old, tip, folder)
            index = self._index
        seen = [entry async for entry in tree.entries(self._mirror, nodes, self._settings.root)]
        told = await tree.messages(self._mirror, f"{old}..{tip}" if old else tip, self._settings.history)
        for path, entry in seen:
            index.put(path, entry)
        bury_deleted(told, self._tombstones)
        self._index, self._tip = index, tip
        self._log.info("read the branch", tip=tip, before=old, paths=len(nodes))

    def _forget(self) -> None:
        self._index, self._tip = Index(), None

    async def _throw_away(self, error: GitError) -> None:
        self._log.warning("the local mirror is damaged, cloning again", error=str(error))
        await self._mirror.rebuild()
        self._forget()

    def _maintain(self) -> None:
        if self._upkeep is None or self._upkeep.done():
            self._upkeep = asyncio.create_task(self._maintained())

    async def _maintained(self) -> None:
        try:
            await self._mirror.maintain()
        except GitError as error:
            self._log.warning("upkeep of the local mirror failed", error=str(error))


def _saved_at(changes: Changes) -> int | None:
    """When the newest of the changes was made, in seconds since 1970."""
    newest = max((one.desired.saved_at or "" for one in changes.judged if one.written or one.left), default="")
    try:
        return int(datetime.fromisoformat(newest).timestamp())
    except ValueError:
        return None
