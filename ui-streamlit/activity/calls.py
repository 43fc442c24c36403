"""`GET /activity`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from activity.models import Activity, ActivityPage, ActivityQuery
from client.sending import Sending, given


class ActivityCalls(Sending):
    """The calls of the page Activity."""

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """Return one page of the changes that match."""
        content = self._send("GET", "/activity", params=given(**vars(query)))
        return ActivityPage(tuple(activity(item) for item in content["items"]), content.get("next_cursor"))

    def people(self) -> tuple[str, ...]:
        """Return who has changed something, the last one first."""
        return tuple(self._send("GET", "/activity/people")["items"])


def activity(content: Mapping[str, Any]) -> Activity:
    """Return one change."""
    return Activity(
        id=content["id"],
        row_id=content["row_id"],
        name=content["name"],
        environment=content["environment"],
        generation=content["generation"],
        change=content["change"],
        changed_at=datetime.fromisoformat(content["changed_at"]).astimezone(UTC),
        changed_by=content["changed_by"],
        fields={name: (before, after) for name, (before, after) in (content.get("fields") or {}).items()},
        outcomes=content.get("outcomes") or {},
    )
