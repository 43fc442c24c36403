"""Gitea's API, and Forgejo's (their `/api/swagger`, version 1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.port import Request
from rowcast.sync.forges.pulls import PullRequests, login

_PAGE = 50


class Gitea(PullRequests):
    """The `Forge` port over one repository of a Gitea. `url` ends with `/api/v1`, `repository` is `owner/name`."""

    def __init__(
        self, url: str, repository: str, token_file: Path, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(ForgeClient(url, token_file, {}, ("Authorization", "token "), transport), repository)

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

    async def _listed(self, state: str, sort: str, base: str, page: int) -> list[dict[str, Any]]:
        asked = {"state": state, "base_branch": base, "page": page, "limit": _PAGE} | ({"sort": sort} if sort else {})
        listed = await self._client.call("GET", f"{self._repository}/pulls", params=asked)
        return [one for one in listed or [] if one["base"]["ref"] == base]

    async def _closed_by(self, number: int) -> str | None:
        """Only the timeline has it."""
        events = await self._client.call("GET", f"{self._repository}/issues/{number}/timeline")
        return next((login(one["user"]) for one in reversed(events or []) if one["type"] == "close"), None)

    def _conflicts(self, pull: dict[str, Any]) -> bool:
        return not pull["mergeable"]


def _of(listed: list[dict[str, Any]], head: str) -> dict[str, Any] | None:
    """Of a branch of the repository itself: a fork's may have the same name. Newest first."""
    ours = [one for one in listed if one["head"]["label"] == head and one["head"]["repo_id"] == one["base"]["repo_id"]]
    return max(ours, key=lambda one: int(one["number"]), default=None)
