"""GitHub's REST API (github.com, Enterprise Server), as its OpenAPI description has it; API version 2022-11-28."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.port import Request
from rowcast.sync.forges.pulls import PullRequests, login

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "rowcast"}


class GitHub(PullRequests):
    """The `Forge` port over one repository at GitHub; `repository` is `owner/name`."""

    def __init__(
        self, url: str, repository: str, token_file: Path, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(ForgeClient(url, token_file, _HEADERS, ("Authorization", "Bearer "), transport), repository)
        self._owner = repository.partition("/")[0]

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

    async def _closed_by(self, number: int) -> str | None:
        return login((await self._client.call("GET", f"{self._repository}/issues/{number}"))["closed_by"])

    def _conflicts(self, pull: dict[str, Any]) -> bool:
        # null while GitHub is still finding out
        return pull["mergeable"] is False
