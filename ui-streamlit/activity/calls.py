"""`GET /activity` and `/audit`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activity.models import Activity, ActivityPage, ActivityQuery, AuditEntry, AuditPage, AuditQuery
from client.decoding import required_moment
from client.sending import Sending, given


class ActivityCalls(Sending):
    """The calls of the page Activity."""

    def activity(self, query: ActivityQuery) -> ActivityPage:
        """Return one page of the changes that match."""
        content = self._send("GET", "/activity", params=given(**vars(query)))
        return ActivityPage(tuple(activity(item) for item in content["items"]), content.get("next_cursor"))

    def audit(self, query: AuditQuery) -> AuditPage:
        """Return one page of the audit's entries that match."""
        content = self._send("GET", "/audit", params=given(**vars(query)))
        return AuditPage(tuple(audit_entry(item) for item in content["items"]), content.get("next_cursor"))

    def people(self) -> tuple[str, ...]:
        """Return who has changed something, the last one first."""
        return tuple(self._send("GET", "/activity/people")["items"])


def audit_entry(content: Mapping[str, Any]) -> AuditEntry:
    """Return one entry of the audit."""
    return AuditEntry(
        id=content["id"],
        at=required_moment(content["at"]),
        way=content["way"],
        subject=content["subject"],
        person=content["person"],
        verified=content["verified"],
        act=content["act"],
        operation=content["operation"],
        path=content["path"],
        outcome=content["outcome"],
        issuer=content.get("issuer"),
        renderer=content.get("renderer"),
        environments=tuple(content.get("environments") or ()),
        why=content.get("why"),
        request_id=content.get("request_id"),
    )


def activity(content: Mapping[str, Any]) -> Activity:
    """Return one change."""
    return Activity(
        id=content["id"],
        row_id=content["row_id"],
        name=content["name"],
        environment=content["environment"],
        generation=content["generation"],
        change=content["change"],
        changed_at=required_moment(content["changed_at"]),
        changed_by=content["changed_by"],
        fields={name: (before, after) for name, (before, after) in (content.get("fields") or {}).items()},
        outcomes=content.get("outcomes") or {},
    )
