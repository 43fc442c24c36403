"""What Rowcast asks of a forge: one request for one branch, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """Where a request is."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"
    """Closed without being merged."""


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request (GitLab: merge request).

    `ref` is the Git ref under which the forge keeps what was in the request, also once its branch is gone. `by` is the
    login of who closed or merged it, where the forge tells. `conflicting` is what the forge says; it may say it late.
    """

    number: int
    url: str
    state: State
    title: str
    body: str
    ref: str
    by: str | None = None
    conflicting: bool = False


class Forge(Protocol):
    """One repository at a forge.

    Every method raises TransientError when the forge doesn't answer or refuses: its words, and what to do about it.
    """

    async def find(self, head: str, base: str) -> Request | None:
        """The open request that would merge branch `head` of the repository into `base`; else the newest other one."""
        ...

    async def open(self, head: str, base: str, title: str, body: str) -> Request:
        """Open a request. The forge refuses a second one for the same branches."""
        ...

    async def update(self, number: int, title: str, body: str) -> Request:
        """Give a request another title and body."""
        ...

    async def close(self, number: int, comment: str) -> Request:
        """Say why, and close a request without merging it."""
        ...

    async def get(self, number: int) -> Request:
        """A request as it is now."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
