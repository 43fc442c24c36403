"""A configuration's versions as differences: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configurations.models import FIELDS, Draft
from history.models import Version


def lines(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Return a row's values as a unified difference's lines: what was with -, what is with +, what stayed with a blank.

    A value that is None isn't there.
    """
    shown: list[str] = []
    before, after = before or {}, after or {}
    for field in {**before, **after}:
        old, new = before.get(field), after.get(field)
        if old == new == "":
            continue
        if old == new:
            shown.append(f"  {field}: {old}")
            continue
        shown += [f"- {field}: {old}"] if old is not None else []
        shown += [f"+ {field}: {new}"] if new is not None else []
    return "\n".join(shown)


def changed(version: Version) -> str:
    """Return in a few words what a change was about, such as `changed branch, environment`."""
    if version.before is None or version.after is None:
        return f"{version.change} it"
    labels = [
        label.lower() if field != "repository_url" else "repository URL"
        for field, label in FIELDS.items()
        if getattr(version.before, field) != getattr(version.after, field)
    ]
    return f"changed {', '.join(labels)}" if labels else "changed nothing"


def restorable(version: Version, now: Draft | None) -> Draft | None:
    """Return what to save so that the row says again what it said in `version`; None if it says so already."""
    wanted = version.after if version.after is not None else version.before
    return None if wanted == now else wanted
