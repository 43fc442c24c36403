"""What Gitea's API has of GitHub's: pull requests below `/repos/<owner>/<name>`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.port import Request, State


class PullRequests(ABC):
    """The `Forge` port over one repository, `owner/name`, but for what the two tell differently."""

    def __init__(self, client: ForgeClient, repository: str) -> None:
        self._client = client
        self._repository = f"/repos/{repository}"

    @abstractmethod
    async def find(self, head: str, base: str) -> Request | None:
        """The open request, else the newest closed one."""

    @abstractmethod
    async def _closed_by(self, number: int) -> str | None:
        """Who has closed a request."""

    @abstractmethod
    def _conflicts(self, pull: dict[str, Any]) -> bool:
        """Whether an open request can't be merged."""

    async def open(self, head: str, base: str, title: str, body: str) -> Request:
        """Open a request."""
        given = {"head": head, "base": base, "title": title, "body": body}
        return await self._told(await self._client.call("POST", f"{self._repository}/pulls", given))

    async def update(self, number: int, title: str, body: str) -> Request:
        """Give a request another title and body."""
        return await self._edit(number, {"title": title, "body": body})

    async def close(self, number: int, comment: str) -> Request:
        """Comment and close."""
        await self._client.call("POST", f"{self._repository}/issues/{number}/comments", {"body": comment})
        return await self._edit(number, {"state": "closed"})

    async def get(self, number: int) -> Request:
        """A request as it is now."""
        return await self._told(await self._client.call("GET", f"{self._repository}/pulls/{number}"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _edit(self, number: int, changes: dict[str, str]) -> Request:
        return await self._told(await self._client.call("PATCH", f"{self._repository}/pulls/{number}", changes))

    async def _told(self, pull: dict[str, Any]) -> Request:
        state = State.MERGED if pull["merged"] else State(pull["state"])
        by = login(pull["merged_by"]) if state is State.MERGED else None
        if state is State.CLOSED:
            by = await self._closed_by(pull["number"])
        return Request(
            number=pull["number"],
            url=pull["html_url"],
            state=state,
            title=pull["title"],
            body=pull["body"] or "",
            ref=f"refs/pull/{pull['number']}/head",
            by=by,
            conflicting=state is State.OPEN and self._conflicts(pull),
        )


def login(user: dict[str, Any] | None) -> str | None:
    """A person's name at the forge."""
    return str(user["login"]) if user else None
