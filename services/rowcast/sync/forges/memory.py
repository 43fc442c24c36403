"""The fake that ships with the `Forge` port: requests in memory, what people do with them by its methods."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rowcast.core.errors import TransientError
from rowcast.sync.forges.port import Request, State

OURS = "rowcast"


@dataclass(slots=True)
class MemoryForge:
    """`down` fails every call with a TransientError of that text. It knows of no branches: any may have a request."""

    down: str | None = None
    requests: list[tuple[str, str, Request]] = field(default_factory=list)
    comments: dict[int, list[str]] = field(default_factory=dict)

    async def find(self, head: str, base: str) -> Request | None:
        """The open request, else the newest."""
        self._answer()
        found = [request for from_, to, request in self.requests if (from_, to) == (head, base)]
        still_open = [request for request in found if request.state is State.OPEN]
        return next(iter([*still_open, *reversed(found)]), None)

    async def open(self, head: str, base: str, title: str, body: str) -> Request:
        """Open a request, unless there is one."""
        found = await self.find(head, base)
        if found is not None and found.state is State.OPEN:
            raise TransientError(f"memory answered 409 (a request already exists: {found.number})")
        number = len(self.requests) + 1
        ref = f"refs/pull/{number}/head"
        request = Request(number, f"memory://requests/{number}", State.OPEN, title, body, ref)
        self.requests.append((head, base, request))
        return request

    async def update(self, number: int, title: str, body: str) -> Request:
        """Give a request another title and body."""
        self._answer()
        return self._change(number, title=title, body=body)

    async def close(self, number: int, comment: str) -> Request:
        """Comment and close."""
        self._answer()
        self.comments.setdefault(number, []).append(comment)
        return self.end(number, State.CLOSED, OURS)

    async def get(self, number: int) -> Request:
        """A request as it is now."""
        self._answer()
        return self.requests[number - 1][2]

    async def aclose(self) -> None:
        """Nothing to close."""

    def end(self, number: int, state: State, by: str) -> Request:
        """Somebody merges or closes a request."""
        return self._change(number, state=state, by=by)

    def _change(self, number: int, **changes: str | State) -> Request:
        head, base, request = self.requests[number - 1]
        request = replace(request, **changes)  # type: ignore[arg-type]
        self.requests[number - 1] = (head, base, request)
        return request

    def _answer(self) -> None:
        if self.down is not None:
            raise TransientError(self.down)
