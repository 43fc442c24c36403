"""The one request of a proposal: opened, kept up to date, closed; what has become of it is the forge's to say."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from rowcast.runtime.logging import get_logger
from rowcast.sync.forges.port import Forge, Request, State
from rowcast.sync.targets.git.proposals import text
from rowcast.sync.targets.git.proposals.overlay import Overlay

RefTip = Callable[[str], Awaitable[str | None]]
"""The commit that a ref of the remote has."""
LATE_SECONDS = 120.0
"""How late a forge may close requests of a branch that was deleted; a busy Gitea took more than one (seen)."""


class ProposalRequest:
    """`known` is the request as it was seen last. Every method raises TransientError with the forge's words."""

    def __init__(
        self, forge: Forge, head: str, base: str, ref_tip: RefTip, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forge = forge
        self._head = head
        self._base = base
        self._ref_tip = ref_tip
        self.known: Request | None = None
        self._clock = clock
        self._removed: tuple[int, float] | None = None
        self._log = get_logger("rowcast.target")

    @property
    def open(self) -> bool:
        """Whether it was open when it was seen last."""
        return self.known is not None and self.known.state is State.OPEN

    @property
    def link(self) -> str | None:
        """Its URL."""
        return self.known.url if self.known else None

    async def look(self) -> Request | None:
        """Ask for it."""
        self.known = await self._forge.find(self._head, self._base)
        return self.known

    async def ask(self) -> None:
        """Ask the forge for it, and forget what it says: whether it answers is what matters."""
        await self._forge.find(self._head, self._base)

    async def holds(self, tip: str | None) -> bool:
        """Whether it was merged with that commit."""
        request = self.known
        return request is not None and request.state is State.MERGED and await self._ref_tip(request.ref) == tip

    def branch_removed(self) -> None:
        """Rowcast has deleted the branch: what the forge closes for that, it may close late, and so too much."""
        self._removed = (self.known.number if self.known else 0, self._clock())

    def _closed_by_removal(self) -> bool:
        """Whether it is a newer request, of the branch made anew, that was closed so soon after the deletion."""
        if self._removed is None or self.known is None or self.known.state is not State.CLOSED:
            return False
        number, moment = self._removed
        return self.known.number > number and self._clock() - moment < LATE_SECONDS

    async def declined(self, tip: str | None) -> bool:
        """Whether a person has said no to what is at the branch's tip: closed it, or took the branch away."""
        if self.known is not None and self.known.state is State.MERGED:
            return False
        if tip is not None and self._closed_by_removal():
            return False
        if tip is None:
            return True  # a forge closes the request of a branch that is gone, but not at once
        if self.known is None or self.open or text.WITHDRAWN in self.known.body:
            return False
        return await self._ref_tip(self.known.ref) in (tip, None)

    async def show(self, overlay: Overlay) -> None:
        """Have an open request that says what is proposed."""
        title, body = text.title_of(overlay), text.body_of(overlay, self._base, self._head)
        if self.known is None or not self.open:
            self.known = await self._forge.open(self._head, self._base, title, body)
            self._log.info("opened a request", url=self.known.url, rows=len(overlay.rows))
        elif (self.known.title, self.known.body.replace("\r\n", "\n")) != (title, body):
            self.known = await self._forge.update(self.known.number, title, body)

    async def withdraw(self) -> None:
        """Close it, if it is open: nothing is left to propose."""
        request = await self.look()
        if request is None or request.state is State.MERGED:
            return
        if text.WITHDRAWN not in request.body:
            # First of all: closed alone, it would look like a person's no to what is not wanted any more.
            body = text.withdrawn_body(request.body)
            self.known = await self._forge.update(request.number, request.title, body)
        if request.state is State.OPEN:
            self.known = await self._forge.close(request.number, text.nothing_left(self._base))
            self._log.info("closed the request", url=request.url)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._forge.aclose()
