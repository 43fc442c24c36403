"""From an impact to what its tab says: pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from impact.models import Action, Example, Group, Impact, Setting, Unrendered
from shared.formatting import counted, sentence

Colour = Literal["red", "orange", "green", "blue", "gray"]

ACTIONS: Final[Mapping[Action, str]] = {
    "moved": "Moved",
    "removed": "Removed",
    "retained": "Left behind",
    "made": "Made",
    "row": "Rows of another name or environment",
    "changed": "Changed",
}
"""The loudest first."""
COLOURS: Final[Mapping[Action, Colour]] = {
    "moved": "red",
    "removed": "red",
    "retained": "orange",
    "made": "green",
    "row": "orange",
    "changed": "blue",
}
OBJECTS: Final[Mapping[str, str]] = {
    "moved": "Moved",
    "removed": "Removed",
    "retained": "Left behind",
    "made": "Made",
    "changed": "Changed",
    "unchanged": "Unchanged",
}
MEANINGS: Final[Mapping[str, str]] = {
    "moved": "Deleted, and made anew by another name or in another namespace",
    "removed": "No manifest makes them any more: they are deleted",
    "retained": "No manifest makes them any more, and `delete: retain` leaves them where they are",
    "made": "Made anew",
    "changed": "Changed where they are",
    "unchanged": "As they are",
}
_CHANGES: Final[Mapping[str, str]] = {"set": "is set", "removed": "is taken away"}


def rows(count: int | None) -> str:
    """Return how many rows there are, where that is known."""
    return "all rows" if count is None else counted(count, "row")


def changes(impact: Impact) -> bool:
    """Whether anything becomes another one."""
    return bool(impact.changed_rows or impact.recovered_rows or impact.settings)


def headline(impact: Impact) -> str:
    """Return how much of all rows changes."""
    since = "against what is applied nowhere yet" if impact.revision is None else f"from revision {impact.revision}"
    failed = f"; {impact.failed_rows:,} can't be rendered" if impact.failed_rows else ""
    if not impact.rows:
        return "There is no row yet that it could change."
    return f"{impact.changed_rows:,} of {counted(impact.rows, 'row')} would change, {since}{failed}."


def moved(impact: Impact) -> str:
    """Return what is said loudly of objects that are deleted and made anew, or nothing."""
    count = impact.objects.get("moved", 0)
    kinds = sorted({group.kind for group in impact.groups if group.action == "moved"})
    if not count:
        return ""
    each = "is deleted, and made" if count == 1 else "are deleted, and made"
    return f"{counted(count, 'object')} {each} anew by another name or in another namespace: {', '.join(kinds)}."


def remarks(impact: Impact) -> tuple[str, ...]:
    """Return what else there is to know of what was seen."""
    found = (
        (impact.captured_anew, "Applying captures the rows anew: they were read from the table itself."),
        (
            impact.recovered_rows,
            f"{counted(impact.recovered_rows, 'row')} can't be rendered today: what it makes may be there already.",
        ),
        (impact.dry_run_unavailable, f"The API server was not asked: {sentence(impact.dry_run_unavailable or '')}"),
        (impact.more_changes, f"{counted(impact.more_changes, 'change')} of more shapes are not listed."),
        (
            impact.more_errors,
            f"{counted(impact.more_errors, 'row')} can't be rendered for reasons that are not listed.",
        ),
    )
    return tuple(words for there, words in found if there)


def what(group: Group) -> str:
    """Return what of a manifest becomes what, in one line."""
    words = [group.kind, group.manifest, group.path]
    sides = (group.before, group.after)
    if group.action == "changed" and group.change in _CHANGES:
        words.append(_CHANGES[group.change])
    if any(side is not None and "value" in side for side in sides):
        words.append(" → ".join(_side(side) for side in sides if side is not None))
    elif any(sides) and group.examples:
        words.append(f"such as {_values(group.examples[0])}")
    return " ".join(word for word in words if word)


def example(group: Group, one: Example) -> str:
    """Return whose object an example is of, and its values where they are not the group's."""
    varies = any(side is not None and "varies" in side for side in (group.before, group.after))
    values = _values(one) if varies and group.action != "moved" else ""
    return ": ".join(part for part in (one.object, values) if part)


def dry_run(group: Group) -> str:
    """Return a badge of what the API server says to some rows of a group, or nothing where it wasn't asked."""
    run = group.dry_run
    if run is None or not run.asked:
        return ""
    if run.refused:
        return f":red-badge[API server refuses {len(run.refused):,} of {run.asked:,}]"
    return f":green-badge[API server takes {run.asked:,} of {run.asked:,}]"


def refused(impact: Impact) -> int:
    """Return how many manifests the API server refuses."""
    return sum(len(group.dry_run.refused) for group in impact.groups if group.dry_run)


def setting(one: Setting) -> str:
    """Return how a manifest is treated differently."""
    return f"{one.manifest}: {one.setting}: {as_json(one.before)} → {as_json(one.after)}"


def unrendered(one: Unrendered) -> str:
    """Return how many rows have no value, and how many of them have none today."""
    before = f", {one.before:,} of them can't be today, either" if one.before else ""
    return f"{counted(one.rows, 'row')}{before}"


def as_json(value: Any) -> str:
    """Return a value as declarations write it."""
    return json.dumps(value, ensure_ascii=False)


def _values(one: Example) -> str:
    return " → ".join(as_json(value) for value in one.values.values())


def _side(value: Mapping[str, Any]) -> str:
    return "…" if "varies" in value else as_json(value["value"])
