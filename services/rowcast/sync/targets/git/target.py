"""Delivers rows to a branch: one commit per batch, pushed only onto the tip that it was judged against."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from rowcast.core.gitops import Behind
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Begun, Held, Tombstones
from rowcast.core.ports import Delivered, DriftListener, Failed, Result
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import Inventory
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.targets.git.behind import behind
from rowcast.sync.targets.git.branch import Branch, LostRaceError
from rowcast.sync.targets.git.commits.changes import Changes, bury, decide, expected, saved_at
from rowcast.sync.targets.git.commits.message import message_of, people_of
from rowcast.sync.targets.git.preview import preview, read_shown
from rowcast.sync.targets.git.repository.mirror import Mirror
from rowcast.sync.targets.git.repository.process import GitError
from rowcast.sync.targets.git.repository.stream import Commit
from rowcast.sync.targets.git.settings import GitSettings


class GitTarget:
    """The `Target` port over one branch of one repository. One thing at a time: deliveries wait for each other."""

    name = "git"

    def __init__(
        self,
        settings: GitSettings,
        tombstones: Tombstones | None = None,
        on_push: Callable[[str], None] = lambda _commit: None,
    ) -> None:
        """`on_push` is told of each commit that has landed, and must return at once."""
        self._settings = settings
        self._on_push = on_push
        self._layout = settings.layout
        self._told: set[str] = set()
        self._begun = Begun()
        self._mirror = Mirror(settings)
        self._tombstones = tombstones or Tombstones()
        self._branch = Branch(settings, self._mirror, self._tombstones)
        self._commits = 0
        self._upkeep: asyncio.Task[None] | None = None
        self._log = get_logger("rowcast.target")

    def expect(self, desired: Desired) -> Sequence[Held]:
        """A row's files. Raises PermanentError (`invalid-name`)."""
        return expected(self._layout, desired)

    def known(self, row: RowKey) -> Sequence[Held]:
        """The row's files at the tip as it was read last."""
        return self._branch.index.own(row)

    def listen(self, listener: DriftListener) -> None:
        """Tell of the rows whose files a foreign commit changed, whenever the branch is fetched."""
        self._branch.listener = listener

    async def start(self) -> None:
        """Lock the cache folder, fetch the branch and read the files that carry our labels."""
        async with self._branch.alone():
            await self._branch.refresh()

    async def close(self) -> None:
        """End the upkeep and let go of the cache folder."""
        async with self._branch.alone():
            if self._upkeep is not None:
                self._upkeep.cancel()
                await asyncio.gather(self._upkeep, return_exceptions=True)
            self._branch.close()

    async def check(self) -> None:
        """Ask the remote for the branch. Raises TransientError with git's words when it cannot be reached."""
        await self._mirror.remote_tip()

    async def inventory(self) -> Inventory:
        """Every file of ours on the remote's branch as it is now."""
        async with self._branch.alone():
            await self._branch.refresh()
            return self._branch.index.inventory()

    async def preview(self, desired: Desired) -> Preview:
        """The file as it would be, beside the row's file at the remote branch's tip."""
        found = await self.live(desired.row)
        return preview(self._layout, desired, self._branch.index, found)

    async def live(self, row: RowKey) -> Shown | None:
        """The row's file at the remote branch's tip."""
        async with self._branch.alone():
            await self._branch.refresh()
            own, tip = self._branch.index.own(row), self._branch.tip
        # Outside of the turn: what a commit has, it has for ever.
        return await read_shown(self._mirror, tip, own[0].key) if own and tip else None

    async def behind(self, revision: str, names: Collection[str]) -> Behind | None:
        """What a commit lacks of the tip, and whose these resources are; None for one that the remote does not know."""
        async with self._branch.alone():
            found = await self._behind(revision, names) if self._branch.current else None
            if found is None:
                await self._branch.refresh()
                found = await self._behind(revision, names)
            return found

    async def _behind(self, revision: str, names: Collection[str]) -> Behind | None:
        tip = self._branch.tip
        return await behind(self._mirror, self._branch.index, tip, revision, names, self._settings) if tip else None

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Deliver a batch in at most one commit. Raises TransientError when nothing of it was delivered."""
        async with self._branch.alone():
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
        if not self._branch.current:
            await self._branch.refresh()
        index = self._branch.index
        changes = decide(batch, index, self._tombstones, self._layout, self._settings.kustomization)
        self._tell_foreign(changes)
        if changes.files:
            landed = False
            try:
                await self._branch.advance(self._commit(changes))
                landed = True
            finally:
                if not landed:
                    index.restore(changes.before)
                    for one in changes.judged:
                        if one.written or one.left:
                            self._begun.begin(one.desired, one.outcome, new=one.new)
            self._on_push(self._branch.tip or "")
            self._maintain()
        bury(changes, self._tombstones)
        return self._results(changes)

    def _tell_foreign(self, changes: Changes) -> None:
        for path in changes.foreign:
            if path not in self._told:
                self._told.add(path)
                self._log.warning("a kustomization that is not managed by rowcast is left alone", path=path)

    def _commit(self, changes: Changes) -> Commit:
        settings = self._settings
        now = int(time.time())
        return Commit(
            parent=self._branch.tip,
            author=people_of(changes.judged, settings.author_domain)[0],
            authored_at=saved_at(changes) or now,
            committer=settings.committer,
            committed_at=now,
            message=message_of(changes.judged, settings.author_domain, settings.origin),
            files=changes.files,
        )

    def _results(self, changes: Changes) -> dict[RowKey, Result]:
        results: dict[RowKey, Result] = {row: Failed(error) for row, error in changes.failed.items()}
        for one in changes.judged:
            reference = None if one.outcome is Outcome.STALE else self._branch.tip
            begun = self._begun.get(one.desired) if one.outcome is Outcome.UNCHANGED else None
            outcome, new = begun or (one.outcome, one.new)
            self._begun.end(one.desired.row)
            results[one.desired.row] = Delivered(outcome, reference, new, one.fence)
        return results

    def _maintain(self) -> None:
        self._commits += 1
        due = self._commits % self._settings.maintenance_every == 0
        if due and (self._upkeep is None or self._upkeep.done()):
            self._upkeep = asyncio.create_task(self._maintained())

    async def _maintained(self) -> None:
        try:
            await self._mirror.maintain()
        except GitError as error:
            self._log.warning("upkeep of the local mirror failed", error=str(error))
