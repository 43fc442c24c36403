"""`/renderers` without their rows, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from client.decoding import moment, required_moment
from client.sending import Sending, stated
from renderers.models import Manifest, Problem, Rendered, Renderer, Revision, UnderWay


def path(name: str, *more: str) -> str:
    """Return the path of a renderer, or of what is below it."""
    return "/".join(("/renderers", quote(name, safe=""), *more))


class RendererCalls(Sending):
    """The calls of the page Renderers."""

    def renderers(self) -> tuple[Renderer, ...]:
        """Return all of them, by name, without their texts."""
        return tuple(renderer(item) for item in self._send("GET", "/renderers")["items"])

    def renderer(self, name: str) -> Renderer:
        """Return one, or raise MissingError."""
        return renderer(self._send("GET", path(name)))

    def revisions(self, name: str) -> tuple[Revision, ...]:
        """Return its revisions, newest first."""
        items = self._send("GET", path(name, "revisions"))["items"]
        return tuple(
            Revision(item["name"], item["revision"], item["applied_by"], required_moment(item["applied_at"]))
            for item in items
        )

    def revision_text(self, name: str, revision: int) -> str:
        """Return the declaration of one revision."""
        return str(self._send("GET", path(name, "revisions", str(revision)))["text"])

    def render(
        self, name: str, key: str | None, *, values: Mapping[str, Any] | None = None, text: str | None = None
    ) -> Rendered:
        """Return what a row becomes. Changes nothing."""
        body = {"key": key, "row": None if values is None else dict(values), "spec": text}
        return rendered(self._send("POST", path(name, "preview"), body=stated(body)))


def renderer(content: Mapping[str, Any]) -> Renderer:
    """Return one renderer at the revision that new rows are of."""
    rollout = content.get("rollout")
    return Renderer(
        name=content["name"],
        revision=content["revision"],
        applied_by=content["applied_by"],
        applied_at=required_moment(content["applied_at"]),
        rows=content["rows"],
        fault=content.get("fault"),
        fault_at=moment(content.get("fault_at")),
        failed=content.get("failed"),
        pending=content.get("pending"),
        rollout=rollout and UnderWay(rollout["id"], rollout["state"], rollout["step"], rollout["steps"]),
        text=content.get("text") or "",
    )


def rendered(content: Mapping[str, Any]) -> Rendered:
    """Return what a row becomes."""
    return Rendered(
        tuple(Manifest(item.get("id") or "", item["manifest"]) for item in content.get("manifests") or ()),
        content.get("name") or "",
        content.get("environment") or "",
        tuple(
            Problem(
                error.get("path") or "",
                error.get("expression") or "",
                error.get("message") or "",
                error.get("line"),
                error.get("column"),
            )
            for error in content.get("errors") or ()
        ),
    )
