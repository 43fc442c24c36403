"""`/renderers/{name}:impact`, from JSON to the dashboard's types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from client.sending import Sending
from impact.models import Answer, Collision, DryRun, Example, Group, Impact, RefusedManifest, Setting, Unrendered
from renderers.calls import path
from renderers.models import Problem

SECONDS: Final = 29.0
"""How long an answer may take: the sidecar waits for 30 s, and would ask again after that."""
EXAMPLES: Final = 5


class ImpactCalls(Sending):
    """The call of the tab Impact."""

    def impact(
        self, name: str, *, text: str | None = None, revision: int | None = None, dry_run: bool = False
    ) -> Answer:
        """Return what the declaration `text`, or a stored revision, would do to all rows. Changes nothing."""
        what = {"spec": text} if text is not None else {"revision": revision}
        # A crud that can't do it doesn't know the word.
        body = {**what, "sample": EXAMPLES, **({"dry_run": True} if dry_run else {})}
        return answer(self._send("POST", f"{path(name)}:impact", body=body, seconds=SECONDS))


def answer(content: Mapping[str, Any]) -> Answer:
    """Return what was seen, or the declaration's problems."""
    seen = content.get("seen")
    return Answer(
        None if seen is None else impact(seen),
        tuple(
            Problem(each["path"], "", each["message"], each.get("line"), each.get("column"))
            for each in content.get("problems") or ()
        ),
        content.get("markdown") or "",
    )


def impact(content: Mapping[str, Any]) -> Impact:
    """Return what was seen."""
    return Impact(
        renderer=content["renderer"],
        revision=content.get("revision"),
        captured_anew=content["captured_anew"],
        token=content["token"],
        rows=content["rows"],
        changed_rows=content["changed_rows"],
        failed_rows=content["failed_rows"],
        recovered_rows=content["recovered_rows"],
        objects=content["objects"],
        groups=tuple(_group(each) for each in content["groups"]),
        more_changes=content["more_changes"],
        settings=tuple(
            Setting(each["manifest"], each["setting"], each["before"], each["after"]) for each in content["settings"]
        ),
        errors=tuple(
            Unrendered(
                Problem(each["path"], each["expression"], each["message"]),
                each["rows"],
                each["before"],
                tuple(each["examples"]),
            )
            for each in content["errors"]
        ),
        more_errors=content["more_errors"],
        collisions=tuple(
            Collision(each["object"], each.get("environment"), tuple(each["keys"])) for each in content["collisions"]
        ),
        more_collisions=content["more_collisions"],
        collisions_looked_for_among=content["collisions_looked_for_among"],
        dry_run_unavailable=content.get("dry_run_unavailable"),
    )


def _group(content: Mapping[str, Any]) -> Group:
    dry_run = content.get("dry_run")
    return Group(
        action=content["action"],
        kind=content["kind"],
        manifest=content["manifest"],
        path=content["path"],
        change=content["change"],
        before=content["before"],
        after=content["after"],
        rows=content["rows"],
        objects=content["objects"],
        examples=tuple(
            Example(
                each["key"],
                each.get("object") or "",
                {side: each[side] for side in ("before", "after") if side in each},
            )
            for each in content["examples"]
        ),
        dry_run=None
        if dry_run is None
        else DryRun(
            dry_run["asked"],
            tuple(RefusedManifest(each["key"], each["manifest"], each["message"]) for each in dry_run["refused"]),
        ),
    )
