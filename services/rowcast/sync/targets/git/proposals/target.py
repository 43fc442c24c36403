"""Delivers by pull request: a batch is proposed on a branch of its own, and done when the base branch has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from contextlib import suppress

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from rowcast.core.errors import TransientError
from rowcast.core.gitops import Behind
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Tombstones
from rowcast.core.ports import Delivered, DriftListener, Failed, NewsListener, Result
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import Inventory
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.forges.port import Forge, State
from rowcast.sync.targets.git.behind import behind
from rowcast.sync.targets.git.branch import Branch, LostRaceError
from rowcast.sync.targets.git.commits.changes import Changes, bury, decide, expected, saved_at
from rowcast.sync.targets.git.commits.message import message_of, people_of
from rowcast.sync.targets.git.preview import preview, read_shown, shown
from rowcast.sync.targets.git.proposals import text
from rowcast.sync.targets.git.proposals.branch import ProposalBranch
from rowcast.sync.targets.git.proposals.news import Telling
from rowcast.sync.targets.git.proposals.overlay import Overlay
from rowcast.sync.targets.git.proposals.polling import Looking
from rowcast.sync.targets.git.proposals.reading import Made
from rowcast.sync.targets.git.proposals.request import ProposalRequest
from rowcast.sync.targets.git.repository.mirror import Mirror
from rowcast.sync.targets.git.settings import GitSettings

GRACE_SECONDS = 30.0
"""How long an emptied proposal is left alone. A forge shows a merge on the branch before it says that the request is
merged: until then it isn't closed. And what is proposed next needs the branch again, whose deletion a busy forge heeds
late: it would close the next request for it.
"""


class StoppedError(TransientError):
    """Nothing can be proposed before a person has done something."""


class ProposingTarget:
    """The `Target` port over one branch that is changed by pull requests alone. One thing at a time.

    What it holds is what is proposed, on top of what the branch has. `branch` is the proposal's own; `poll` is how
    often (in seconds) the base branch and the request are looked at when nothing is delivered.
    """

    name = "git"

    def __init__(
        self,
        settings: GitSettings,
        forge: Forge,
        branch: str | None = None,
        poll: float = 15.0,
        grace: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        on_push: Callable[[str], None] = lambda _commit: None,
    ) -> None:
        """`on_push` is told of each commit that the base branch has got, by whomever; it must return at once."""
        self._on_push = on_push
        self._settings = settings
        self._mirror = Mirror(settings)
        self._tombstones = Tombstones()
        self._base = Branch(settings, self._mirror, self._tombstones)
        name = branch or f"rowcast/{settings.branch}"
        self._proposal = ProposalBranch(settings, name, self._mirror, self._base, self._tombstones)
        self._request = ProposalRequest(forge, self._proposal.name, settings.branch, self._mirror.remote_tip, clock)
        self._grace, self._clock = grace, clock
        self._looking = Looking(self._look_and_maintain, poll)
        self._telling = Telling()
        self._listener: DriftListener | None = None
        self._touched: set[RowKey] = set()
        self._base.listener = self._touched.add
        self._recovered = False
        self._empty_since: float | None = None
        self._withdrawing = False
        self._log = get_logger("rowcast.target")

    def expect(self, desired: Desired) -> Sequence[Held]:
        """A row's files. Raises PermanentError (`invalid-name`)."""
        return expected(self._settings.layout, desired)

    def known(self, row: RowKey) -> Sequence[Held]:
        """The row's files, as proposed or on the branch, as they were read last."""
        return self._proposal.overlay.own(row, self._base.index)

    def listen(self, listener: DriftListener) -> None:
        """Tell of the rows whose files somebody else changed on the base branch."""
        self._listener = listener

    def tell(self, listener: NewsListener) -> None:
        """Tell what becomes of rows after they were proposed."""
        self._telling.listener = listener

    async def start(self) -> None:
        """Lock the cache folder and read both branches; from now on they are looked at by themselves, too."""
        async with self._base.alone():
            await self._refresh()
            self._looking.start()

    async def close(self) -> None:
        """End the looking and let go of the cache folder."""
        await self._looking.stop()
        async with self._base.alone():
            self._base.close()
            await self._request.aclose()

    async def check(self) -> None:
        """Ask the remote for the branch, and the forge for the request. Raises TransientError with their words."""
        await self._mirror.remote_tip()
        await self._request.ask()

    async def inventory(self) -> Inventory:
        """Every file of ours, as proposed or on the branch as they are now."""
        async with self._base.alone():
            await self._refresh()
            with self._proposal.overlay.over(self._base.index) as index:
                return index.inventory()

    async def preview(self, desired: Desired) -> Preview:
        """The file as it would be, beside the row's file as it is proposed, or on the branch."""
        found = await self.live(desired.row)
        with self._proposal.overlay.over(self._base.index) as index:
            return preview(self._settings.layout, desired, index, found)

    async def live(self, row: RowKey) -> Shown | None:
        """The row's file as it is proposed, or else on the branch."""
        async with self._base.alone():
            await self._refresh()
            own, tip, overlay = self.known(row), self._base.tip, self._proposal.overlay
        if not own or tip is None:
            return None
        path = own[0].key
        if path in overlay.files:
            return shown(path, overlay.files[path].content or b"", self._proposal.tip or tip)
        return await read_shown(self._mirror, tip, path)

    async def behind(self, revision: str, names: Collection[str]) -> Behind | None:
        """As `GitTarget.behind`, of the base branch: what is only proposed is nothing that a commit could lack."""
        async with self._base.alone():
            await self._refresh()
            index, tip = self._base.index, self._base.tip
            return await behind(self._mirror, index, tip, revision, names, self._settings) if tip else None

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Propose a batch by at most one commit. Raises TransientError when it isn't in an open request."""
        async with self._base.alone():
            async for attempt in self._attempts():
                with attempt:
                    return await self._deliver(batch)
        raise AssertionError("unreachable: the last attempt raises")

    async def look(self) -> None:
        """See what has become of what was proposed, and keep it on the base's tip. Raises TransientError."""
        async with self._base.alone():
            async for attempt in self._attempts():
                with attempt:
                    await self._look()

    def _attempts(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(LostRaceError),
            stop=stop_after_attempt(self._settings.attempts),
            wait=wait_random_exponential(multiplier=0.02, max=1),
            reraise=True,
        )

    async def _deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        await self._refresh()
        before, base = self._proposal.overlay, self._base.index
        with before.over(base) as index:
            changes = decide(batch, index, self._tombstones, self._settings.layout, kustomize=None)
            entries = {path: index.at(path) for path in changes.files}
            index.restore(changes.before)
        after = before.with_changes(changes, entries, base)
        rows = {desired.row for desired in batch}
        concerned = bool(changes.files or self._withdrawing or rows & (after.rows.keys() | before.rows.keys()))
        if concerned:
            await self._heed_others()
        if changes.files and after.files:
            await self._proposal.put(after, self._made(changes))
        elif changes.files:
            self._proposal.overlay, self._withdrawing = after, True
        bury(changes, self._tombstones)
        if concerned:
            await self._follow(changed=bool(changes.files), besides=rows)
        return self._results(changes)

    async def _look(self) -> None:
        await self._refresh()
        if self._proposal.foreign is not None:
            with suppress(StoppedError):
                await self._heed_others()
        elif self._proposal.overlay.files:
            await self._follow()
        elif self._proposal.tip is not None:
            await self._clear_away()

    async def _refresh(self) -> None:
        before = self._base.tip
        await self._base.refresh()
        if self._base.tip is not None and before not in (None, self._base.tip):
            self._on_push(self._base.tip)
        if self._base.tip is None:
            raise TransientError(f"there is no branch {self._settings.branch} to propose to: push a first commit to it")
        await self._proposal.refresh()
        if not self._recovered:
            await self._recover()
        self._settle(self._proposal.overlay)

    async def _recover(self) -> None:
        """What was proposed when another process ended, and its branch is gone since: merged, or closed by a person."""
        if self._proposal.tip is None and not self._proposal.overlay.files:
            try:
                request = await self._request.look()
            except TransientError as error:
                self._log.warning("the forge can't be asked for the last request, trying again", error=str(error))
                return
            if request is not None and request.state is not State.OPEN and text.WITHDRAWN not in request.body:
                found = await self._proposal.recover(request.ref)
                if found is not None and request.state is State.MERGED:
                    self._settle(found.overlay)
                elif found is not None:
                    self._proposal.take(found)
        self._recovered = True

    def _settle(self, overlay: Overlay) -> None:
        settled = overlay.settle(self._base.index)
        self._telling.merged(settled.merged, self._base.tip)
        merged = {one.row for one in settled.merged}
        drifted = (self._touched | {one.row for one in settled.passed}) - merged - self._proposal.overlay.rows.keys()
        self._touched.clear()
        if self._listener is not None:
            for row in drifted:
                self._listener(row)

    async def _heed_others(self) -> None:
        """Raises StoppedError while there is something of somebody else on our branch, which is nowhere else."""
        if self._proposal.foreign is None:
            return
        await self._request.look()
        if await self._proposal.merged_into_base() or await self._request.holds(self._proposal.tip):
            self._proposal.foreign = None
            return
        raise StoppedError(text.foreign(self._proposal.name, self._proposal.foreign, self._request.known))

    async def _follow(self, *, changed: bool = False, besides: Set[RowKey] = frozenset()) -> None:
        """Have the request say what is proposed; with nothing `changed`, a person's no to it stands."""
        overlay = self._proposal.overlay
        self._empty_since = None
        if not overlay.files:
            await self._finish()
            return
        request = await self._request.look()
        if request is not None and request.state is State.MERGED:
            await self._expect_base()
        self._telling.trouble = None
        if not changed and await self._request.declined(self._proposal.tip):
            self._telling.trouble = text.declined(request, self._settings.branch, self._proposal.name)
        else:
            if self._proposal.behind:
                await self._proposal.put(overlay, None)
            await self._request.show(overlay)
        self._telling.tip, self._telling.link = self._proposal.tip, self._request.link
        self._telling.rows(overlay, besides)

    async def _clear_away(self) -> None:
        """Everything has arrived: by and by the branch goes, and the request, if that still hasn't noticed."""
        moment = self._clock()
        self._empty_since = moment if self._empty_since is None else self._empty_since
        if moment - self._empty_since >= self._grace:
            await self._finish()

    async def _finish(self) -> None:
        await self._request.withdraw()
        if self._request.known is not None and self._request.known.state is State.MERGED:
            await self._expect_base()
        if self._proposal.tip is not None:
            await self._proposal.delete()
            self._request.branch_removed()
        self._empty_since, self._withdrawing = None, False

    async def _expect_base(self) -> None:
        """What was merged a moment ago is to be judged first."""
        if await self._mirror.remote_tip() != self._base.tip:
            raise LostRaceError(f"the branch {self._settings.branch} has moved")

    def _results(self, changes: Changes) -> dict[RowKey, Result]:
        results: dict[RowKey, Result] = {row: Failed(error) for row, error in changes.failed.items()}
        for one in changes.judged:
            row = one.desired.row
            if one.outcome is Outcome.STALE:
                results[row] = Delivered(one.outcome, None, one.new, one.fence)
            elif row in self._proposal.overlay.rows:
                results[row] = self._telling.delivered(one.outcome, one.new, one.fence)
            else:
                results[row] = Delivered(one.outcome, self._base.tip, one.new, one.fence)
        return results

    def _made(self, changes: Changes) -> Made:
        domain = self._settings.author_domain
        author = people_of(changes.judged, domain)[0]
        made_at = saved_at(changes) or int(time.time())
        return Made(author, made_at, message_of(changes.judged, domain, self._settings.origin), changes.files)

    async def _look_and_maintain(self) -> None:
        await self.look()
        if self._proposal.written >= self._settings.maintenance_every:
            self._proposal.written = 0
            await self._mirror.maintain()
