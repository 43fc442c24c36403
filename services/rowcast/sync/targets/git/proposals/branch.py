"""The branch that a proposal is on: ours alone, made of commits on top of the base, made again when that moves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from rowcast.core.plan import Tombstones
from rowcast.runtime.logging import get_logger
from rowcast.sync.targets.git import history
from rowcast.sync.targets.git.branch import Branch, LostRaceError
from rowcast.sync.targets.git.commits import trailers
from rowcast.sync.targets.git.files.tree_index import Index
from rowcast.sync.targets.git.proposals.overlay import Overlay
from rowcast.sync.targets.git.proposals.reading import (
    Made,
    Proposal,
    contents_since,
    marked,
    read_proposal,
    same_file,
)
from rowcast.sync.targets.git.repository.mirror import Mirror
from rowcast.sync.targets.git.repository.process import GitError
from rowcast.sync.targets.git.repository.stream import Commit
from rowcast.sync.targets.git.settings import GitSettings


class ProposalBranch:
    """`tip` is what the remote has (None: no such branch), `on` the commit of the base that it is made on.

    `overlay` is what its commits come to. While `foreign` says whose commits are on top of ours, nothing is written.
    `written` counts commits since it was set to 0.
    """

    def __init__(
        self, settings: GitSettings, branch: str, mirror: Mirror, base: Branch, tombstones: Tombstones
    ) -> None:
        self._tombstones = tombstones
        self._settings = settings
        self._mirror = mirror
        self._base = base
        self.name = branch
        self.ref = f"refs/heads/{branch}"
        self.tip: str | None = None
        self.on: str | None = None
        self.overlay = Overlay()
        self.foreign: str | None = None
        self.written = 0
        self._commits: list[Made] = []
        self._log = get_logger("rowcast.target")

    async def refresh(self) -> None:
        """See whether the remote has what we put there. Raises GitError."""
        tip = await self._mirror.remote_tip(self.ref)
        if tip == self.tip:
            return
        if tip is None:
            self.tip = self.foreign = None
            return
        try:
            self.tip = await self._adopt()
        except GitError as error:
            # The remote has just answered: it is our copy that is suspect.
            await self._base.throw_away(error)
            raise LostRaceError(str(error)) from error

    async def recover(self, ref: str) -> Proposal | None:
        """What was proposed under a ref that the forge keeps, though the branch is gone. Raises GitError."""
        if await self._mirror.remote_tip(ref) is None:
            return None
        return await self._read(await self._mirror.fetch(ref))

    def take(self, proposal: Proposal) -> None:
        """Go on from a proposal."""
        trailers.bury(history.credible(proposal.notes, self._base.index), self._tombstones)
        self.on, self.overlay, self._commits = proposal.on, proposal.overlay, list(proposal.commits)

    @property
    def behind(self) -> bool:
        """Whether it isn't on the base's tip, or not there."""
        return self.tip is None or self.on != self._base.tip

    async def put(self, overlay: Overlay, new: Made | None) -> None:
        """Have the branch propose `overlay`: by one more commit, or anew on the base's tip when that has moved.

        Raises LostRaceError when all has to be judged anew, TransientError when the remote does not take it.
        """
        base = self._base.tip
        if base is None:
            raise AssertionError("there is a base to propose to")
        parent, commits = self.tip or base, list(self._commits)
        try:
            if self.behind:
                commits = list(_again(commits, overlay, self._base.index))
                parent = base
                for one in commits:
                    parent = await self._write(one, parent, base)
            if new is not None:
                commits.append(new)
                parent = await self._write(new, parent, base)
        except GitError as error:
            await self._base.throw_away(error)
            self.tip = self.foreign = None
            raise LostRaceError(str(error)) from error
        await self._push(parent)
        self.tip, self.on, self._commits, self.overlay = parent, base, commits, overlay

    async def delete(self) -> None:
        """Take the branch away, if it still has what we know of. Raises TransientError."""
        if self.tip is not None:
            await self._push(None)
        self.tip = self.on = self.foreign = None
        self._commits = []

    async def merged_into_base(self) -> bool:
        """Whether the base's history has the branch's tip. Raises GitError."""
        if self.tip is None or self._base.tip is None:
            return False
        fork = await self._mirror.read("merge-base", self.tip, self._base.tip)
        return fork.decode().strip() == self.tip

    async def _adopt(self) -> str:
        """Judge what is there now, by whomever it was made; returns its commit."""
        tip = await self._mirror.fetch(self.ref)
        found = await self._read(tip)
        if found is not None and found.foreign is None:
            self.foreign = None
            self.take(found)
            return tip
        if found is not None and not self.overlay.files:
            self.take(found)
        if self._base.tip and await contents_since(self._mirror, self._base.tip, tip) == self.overlay.contents():
            self.foreign = None  # somebody has merged the base into it, say: nothing is lost with that
            self.on = None
            return tip
        self.foreign = (found.foreign if found else None) or f"{tip[:10]}"
        self._log.warning("somebody else has pushed to our branch", branch=self.name, commit=self.foreign)
        return tip

    async def _read(self, tip: str) -> Proposal | None:
        return await read_proposal(self._mirror, tip, self._settings)

    async def _write(self, one: Made, parent: str, on: str) -> str:
        self.written += 1
        return await self._mirror.write(
            Commit(
                parent=parent,
                author=one.author,
                authored_at=one.authored_at,
                committer=self._settings.committer,
                committed_at=int(time.time()),
                message=marked(one.message, on),
                files=one.files,
            )
        )

    async def _push(self, commit: str | None) -> None:
        try:
            await self._mirror.push(commit, expected=self.tip, ref=self.ref)
        except GitError as error:
            # Why it failed is read off the remote, not off git's words.
            tip = await self._mirror.remote_tip(self.ref)
            if tip == commit:
                return
            if tip != self.tip:
                raise LostRaceError(f"the branch {self.name} has moved: {error}") from error
            raise


def _again(commits: list[Made], overlay: Overlay, base: Index) -> Iterator[Made]:
    """The commits as they are to be made on the base's tip: without what is not proposed any more, or is there."""
    seen: set[str] = set()
    for one in commits:
        files: Mapping[str, bytes | None] = {
            path: content
            for path, content in one.files.items()
            if path in overlay.files and (path in seen or not same_file(path, content, base.at(path)))
        }
        seen |= files.keys()
        if files:
            yield Made(one.author, one.authored_at, one.message, files)
