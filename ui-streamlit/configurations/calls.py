"""`/appconfigs`, from JSON to the dashboard's types: what crud may leave out is optional, the rest must be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.decoding import moment, required_moment
from client.sending import Sending
from configurations.models import AppConfig, Draft, Page, Query, RowStatus, State, TargetStatus


class ConfigurationCalls(Sending):
    """The calls of the page Configurations."""

    def list(self, query: Query) -> Page:
        """Return one page of the rows that match."""
        wanted = {
            "limit": str(query.limit),
            "sort": query.sort,
            "search": query.search,
            "environment": query.environment,
            "state": query.state or "",
            "cursor": query.cursor or "",
        }
        return page(self._send("GET", "/appconfigs", params={key: value for key, value in wanted.items() if value}))

    def get(self, row_id: int) -> AppConfig:
        """Return one row, or raise MissingError."""
        return app_config(self._send("GET", f"/appconfigs/{row_id}"))

    def status(self, row_id: int) -> RowStatus:
        """Return what became of a row at each target."""
        return row_status(self._send("GET", f"/appconfigs/{row_id}/status"))

    def create(self, draft: Draft) -> AppConfig:
        """Save a new row and return it as saved."""
        return app_config(self._send("POST", "/appconfigs", body=body_of(draft)))

    def update(self, row_id: int, draft: Draft, generation: int) -> AppConfig:
        """Save `draft` if the row still has `generation`, else raise ConflictError."""
        return app_config(self._send("PUT", f"/appconfigs/{row_id}", body=body_of(draft), generation=generation))

    def delete(self, row_id: int, generation: int) -> None:
        """Delete the row if it still has `generation`, else raise ConflictError."""
        self._send("DELETE", f"/appconfigs/{row_id}", generation=generation)


def body_of(draft: Draft) -> dict[str, str]:
    """What crud takes; it has a word of its own for an application that is left out."""
    return {field: value for field, value in vars(draft).items() if value or field != "application"}


def app_config(content: Mapping[str, Any]) -> AppConfig:
    """Return the row of one AppConfig resource."""
    return AppConfig(
        id=content["id"],
        name=content["name"],
        repository_url=content["repository_url"],
        branch=content["branch"],
        environment=content["environment"],
        generation=content["generation"],
        created_at=required_moment(content["created_at"]),
        updated_at=required_moment(content["updated_at"]),
        updated_by=content["updated_by"],
        sync=_targets(content.get("sync")),
        application=content.get("application", ""),
    )


def page(content: Mapping[str, Any]) -> Page:
    """Return the page of one list answer."""
    return Page(
        items=tuple(app_config(item) for item in content["items"]),
        next_cursor=content.get("next_cursor"),
        total=content["total"],
        total_capped=content.get("total_capped", False),
    )


def row_status(content: Mapping[str, Any]) -> RowStatus:
    """Return the delivery of one status answer."""
    return RowStatus(content.get("generation"), _targets(content.get("targets")))


def target_status(target: str, content: Mapping[str, Any]) -> TargetStatus:
    """Return what crud says of one target."""
    times = {station: moment(text) for station, text in (content.get("times") or {}).items()}
    return TargetStatus(
        target=target,
        state=_state(content.get("state", "pending")),
        observed_generation=content.get("observed_generation"),
        outcome=content.get("outcome"),
        reference=content.get("reference"),
        error=content.get("error"),
        updated_at=moment(content.get("updated_at")),
        times={station: time for station, time in times.items() if time is not None},
        overdue=bool(content.get("overdue")),
        stage=content.get("stage"),
        stage_error=content.get("stage_error"),
        link=content.get("link"),
        kind=content.get("kind") or "",
    )


def _targets(content: Mapping[str, Any] | None) -> tuple[TargetStatus, ...]:
    return tuple(target_status(target, status) for target, status in (content or {}).items())


def _state(word: str) -> State:
    # A word that a newer crud may use is not known to be delivered, so it is not shown as such.
    return "synced" if word == "synced" else "failed" if word == "failed" else "pending"
