"""`GET /appconfigs/{id}/history`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from client.sending import Sending, given
from configurations.models import Draft
from history.models import HistoryPage, Version


class HistoryCalls(Sending):
    """The call of a row's past."""

    def history(self, row_id: int, cursor: str | None = None, limit: int = 20) -> HistoryPage:
        """Return a part of a row's past, newest first."""
        content = self._send("GET", f"/appconfigs/{row_id}/history", params=given(limit=limit, cursor=cursor))
        return HistoryPage(tuple(version(item) for item in content["items"]), content.get("next_cursor"))


def version(content: Mapping[str, Any]) -> Version:
    """Return one change."""
    return Version(
        change=content["change"],
        generation=content["generation"],
        changed_at=datetime.fromisoformat(content["changed_at"]).astimezone(UTC),
        changed_by=content["changed_by"],
        before=_draft(content.get("before")),
        after=_draft(content.get("after")),
    )


def _draft(content: Mapping[str, Any] | None) -> Draft | None:
    if content is None:
        return None
    return Draft(
        content["name"],
        content["repository_url"],
        content["branch"],
        content["environment"],
        content.get("application", ""),
    )
