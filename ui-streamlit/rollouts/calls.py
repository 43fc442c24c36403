"""`/renderers/{name}/rollouts`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.decoding import moment, required_moment
from client.sending import Sending, given, stated
from renderers.calls import path
from rollouts.models import (
    Rollout,
    RolloutAction,
    RolloutDraft,
    RolloutPage,
    RolloutRow,
    RolloutRowPage,
    RolloutRowState,
    Step,
)


class RolloutCalls(Sending):
    """The calls of the tab Roll-outs."""

    def rollouts(self, name: str, cursor: str | None = None, limit: int = 20) -> RolloutPage:
        """Return a part of a renderer's, newest first."""
        found = self._send("GET", path(name, "rollouts"), params=given(limit=limit, cursor=cursor))
        return RolloutPage(tuple(rollout(each) for each in found["items"]), found.get("next_cursor"))

    def rollout(self, name: str, number: int) -> Rollout:
        """Return one, or raise MissingError."""
        return rollout(self._send("GET", path(name, "rollouts", str(number))))

    def rollout_rows(
        self, name: str, number: int, state: RolloutRowState, cursor: str | None = None, limit: int = 20
    ) -> RolloutRowPage:
        """Return a part of its rows that are so."""
        params = given(state=state, limit=limit, cursor=cursor)
        found = self._send("GET", path(name, "rollouts", str(number), "rows"), params=params)
        return RolloutRowPage(tuple(_row(each) for each in found["items"]), found.get("next_cursor"))

    def start_rollout(self, name: str, draft: RolloutDraft) -> Rollout:
        """Start one and return it."""
        steps = [stated(vars(step)) for step in draft.steps]
        return rollout(self._send("POST", path(name, "rollouts"), body=stated({**vars(draft), "steps": steps})))

    def tell_rollout(self, name: str, number: int, action: RolloutAction, failure_limit: int | None = None) -> Rollout:
        """Say what becomes of it and return it; one that is resumed may be given another limit of failures."""
        body = None if failure_limit is None else {"failure_limit": failure_limit}
        return rollout(self._send("POST", f"{path(name, 'rollouts', str(number))}:{action}", body=body))


def rollout(content: Mapping[str, Any]) -> Rollout:
    """Return one."""
    return Rollout(
        id=content["id"],
        renderer=content["renderer"],
        revision=content["revision"],
        from_revisions=tuple(content["from_revisions"]),
        state=content["state"],
        why=content.get("why"),
        started_by=content["started_by"],
        started_at=required_moment(content["started_at"]),
        changed_at=required_moment(content["changed_at"]),
        hold_seconds=content["hold_seconds"],
        failure_limit=content["failure_limit"],
        steps=tuple(_step(each) for each in content["steps"]),
        impact_token=content.get("impact_token"),
        changed_since=content.get("changed_since"),
        ready_seconds=content.get("ready_seconds"),
    )


def _step(content: Mapping[str, Any]) -> Step:
    return Step(
        rows=content.get("rows"),
        share=content.get("share"),
        filter=content.get("filter"),
        state=content["state"],
        total=content.get("total"),
        assigned=content["assigned"],
        delivered=content["delivered"],
        ready=content["ready"],
        failed=content["failed"],
        since=moment(content.get("since")),
    )


def _row(content: Mapping[str, Any]) -> RolloutRow:
    return RolloutRow(
        key=content["key"],
        step=content["step"],
        generation=content["generation"],
        state=content["state"],
        name=content.get("name"),
        environment=content.get("environment"),
        message=content.get("message"),
        target=content.get("target"),
    )
