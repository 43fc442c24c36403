"""GitHub's REST API (github.com, Enterprise Server), as its OpenAPI description has it; API version 2022-11-28."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.port import Request, State

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "rowcast"}


class GitHub:
    """The `Forge` port over one repository at GitHub; `repository` is `owner/name`."""

    def __init__(
        self, url: str, repository: str, token_file: Path, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = ForgeClient(url, token_file, _HEADERS, ("Authorization", "Bearer "), transport)
        self._owner = repository.partition("/")[0]
        self._repository = f"/repos/{repository}"

    async def find(self, head: str, base: str) -> Request | None:
        """The open request; there is at most one. Else the newest."""
        for state in ("open", "all"):
            asked: dict[str, Any] = {"state": state, "head": f"{self._owner}:{head}", "base": base}
            asked |= {"sort": "created", "direction": "desc", "per_page": 1}
            listed = await self._client.call("GET", f"{self._repository}/pulls", params=asked)
            if listed:
                # What a list has of a request is less: not who merged it, for one.
                return await self.get(listed[0]["number"])
        return None

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
        by = _login(pull["merged_by"]) if state is State.MERGED else None
        if state is State.CLOSED:
            by = _login((await self._client.call("GET", f"{self._repository}/issues/{pull['number']}"))["closed_by"])
        return Request(
            number=pull["number"],
            url=pull["html_url"],
            state=state,
            title=pull["title"],
            body=pull["body"] or "",
            ref=f"refs/pull/{pull['number']}/head",
            by=by,
            # null while GitHub is still finding out
            conflicting=pull["mergeable"] is False,
        )


def _login(user: dict[str, Any] | None) -> str | None:
    return str(user["login"]) if user else None
