"""Gitea's API, and Forgejo's (their `/api/swagger`, version 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.port import Request, State

_PAGE = 50


class Gitea:
    """The `Forge` port over one repository of a Gitea. `url` ends with `/api/v1`, `repository` is `owner/name`."""

    def __init__(
        self, url: str, repository: str, token_file: Path, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = ForgeClient(url, token_file, {}, ("Authorization", "token "), transport)
        self._repository = f"/repos/{repository}"

    async def find(self, head: str, base: str) -> Request | None:
        """The open request, looked for among all open ones; else the newest of the last closed ones."""
        found = None
        page = 1
        while found is None:
            listed = await self._listed("open", "", base, page)
            found = _of(listed, head)
            if len(listed) < _PAGE:
                break
            page += 1
        if found is None:
            found = _of(await self._listed("closed", "recentclose", base, 1), head)
        # What a list has of a request is less: not who merged it, for one.
        return await self.get(found["number"]) if found else None

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

    async def _listed(self, state: str, sort: str, base: str, page: int) -> list[dict[str, Any]]:
        asked = {"state": state, "base_branch": base, "page": page, "limit": _PAGE} | ({"sort": sort} if sort else {})
        listed = await self._client.call("GET", f"{self._repository}/pulls", params=asked)
        return [one for one in listed or [] if one["base"]["ref"] == base]

    async def _told(self, pull: dict[str, Any]) -> Request:
        state = State.MERGED if pull["merged"] else State.OPEN if pull["state"] == "open" else State.CLOSED
        by = _login(pull["merged_by"]) if state is State.MERGED else None
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
            conflicting=state is State.OPEN and not pull["mergeable"],
        )

    async def _closed_by(self, number: int) -> str | None:
        """Only the timeline has it."""
        events = await self._client.call("GET", f"{self._repository}/issues/{number}/timeline")
        return next((_login(one["user"]) for one in reversed(events or []) if one["type"] == "close"), None)


def _of(listed: list[dict[str, Any]], head: str) -> dict[str, Any] | None:
    """Of a branch of the repository itself: a fork's may have the same name. Newest first."""
    ours = [one for one in listed if one["head"]["label"] == head and one["head"]["repo_id"] == one["base"]["repo_id"]]
    return max(ours, key=lambda one: int(one["number"]), default=None)


def _login(user: dict[str, Any] | None) -> str | None:
    return str(user["login"]) if user else None
