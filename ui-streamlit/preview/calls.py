"""`POST /appconfigs:preview` and `GET /appconfigs/{id}/live`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.sending import Sending
from configurations.calls import body_of
from configurations.models import Draft
from preview.models import Live, Preview, TargetPreview


class PreviewCalls(Sending):
    """The calls that ask the targets."""

    def preview(self, row_id: int | None, draft: Draft, person: str | None = None) -> Preview:
        """Return what saving `draft` would do, to a new row if `row_id` is None. Changes nothing."""
        body = {"id": row_id, "config": body_of(draft), **({"updated_by": person} if person else {})}
        content = self._send("POST", "/appconfigs:preview", body=body)
        return Preview(content["generation"], tuple(target_preview(target) for target in content["targets"]))

    def live(self, row_id: int) -> tuple[Live, ...]:
        """Return what each target has of a row now."""
        return tuple(live(target) for target in self._send("GET", f"/appconfigs/{row_id}/live")["targets"])


def target_preview(content: Mapping[str, Any]) -> TargetPreview:
    """Return what saving would do at one target."""
    error = content.get("error") or {}
    return TargetPreview(
        target=content["target"],
        manifest=content.get("manifest") or "",
        live=content.get("live"),
        diff=content.get("diff") or "",
        change=content.get("change") or "none",
        place=content.get("place") or "",
        reason=error.get("reason") or "",
        refusal=error.get("message") or error.get("reason") or "",
        unavailable=content.get("unavailable") or "",
    )


def live(content: Mapping[str, Any]) -> Live:
    """Return what one target has."""
    return Live(
        target=content["target"],
        place=content.get("place") or "",
        text=content.get("live"),
        reference=content.get("reference"),
        unavailable=content.get("unavailable") or "",
    )
