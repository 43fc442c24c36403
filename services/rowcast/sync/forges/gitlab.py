"""GitLab's REST API, version 4 (gitlab.com and self-managed): its pull requests are merge requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from rowcast.sync.forges.client import ForgeClient
from rowcast.sync.forges.port import Request, State

_STATES = {"opened": State.OPEN, "locked": State.OPEN, "merged": State.MERGED, "closed": State.CLOSED}
"""`locked` is a request that is just being merged."""


class GitLab:
    """The `Forge` port over one project at GitLab. `url` ends with `/api/v4`, `repository` is `group/…/name`."""

    def __init__(
        self, url: str, repository: str, token_file: Path, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._client = ForgeClient(url, token_file, {}, ("PRIVATE-TOKEN", ""), transport)
        self._requests = f"/projects/{quote(repository, safe='')}/merge_requests"

    async def find(self, head: str, base: str) -> Request | None:
        """The open request; there is at most one. Else the newest."""
        for state in ("opened", "all"):
            asked: dict[str, Any] = {"state": state, "source_branch": head, "target_branch": base}
            asked |= {"order_by": "created_at", "sort": "desc", "per_page": 20}
            listed = await self._client.call("GET", self._requests, params=asked)
            # A fork's branch may have the same name.
            ours = [one for one in listed if one["source_project_id"] == one["project_id"]]
            if ours:
                return await self.get(ours[0]["iid"])
        return None

    async def open(self, head: str, base: str, title: str, body: str) -> Request:
        """Open a request."""
        given = {"source_branch": head, "target_branch": base, "title": title, "description": body}
        return _told(await self._client.call("POST", self._requests, given))

    async def update(self, number: int, title: str, body: str) -> Request:
        """Give a request another title and body."""
        return await self._edit(number, {"title": title, "description": body})

    async def close(self, number: int, comment: str) -> Request:
        """Comment and close."""
        await self._client.call("POST", f"{self._requests}/{number}/notes", {"body": comment})
        return await self._edit(number, {"state_event": "close"})

    async def get(self, number: int) -> Request:
        """A request as it is now."""
        return _told(await self._client.call("GET", f"{self._requests}/{number}"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _edit(self, number: int, changes: dict[str, str]) -> Request:
        return _told(await self._client.call("PUT", f"{self._requests}/{number}", changes))


def _told(one: dict[str, Any]) -> Request:
    state = _STATES[one["state"]]
    who = {State.MERGED: one.get("merge_user") or one.get("merged_by"), State.CLOSED: one.get("closed_by")}.get(state)
    return Request(
        number=one["iid"],
        url=one["web_url"],
        state=state,
        title=one["title"],
        body=one["description"] or "",
        ref=f"refs/merge-requests/{one['iid']}/head",
        by=str(who["username"]) if who else None,
        conflicting=bool(one.get("has_conflicts")),
    )
