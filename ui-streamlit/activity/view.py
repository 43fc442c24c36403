"""From changes to what the page of activity shows: pure, with the time of looking passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, Literal, TypeVar

from activity.models import Activity, AuditEntry
from configurations.models import FIELDS
from shared.formatting import TARGETS, plain, target_label

T = TypeVar("T")
Colour = Literal["green", "orange", "red", "gray"]

WHEN_PIXELS: Final = 80
CHANGES: Final[Mapping[str, str]] = {
    "created": "created",
    "updated": "changed",
    "deleted": "deleted",
    "restored": "restored",
}
ICONS: Final[Mapping[str, str]] = {
    "created": ":material/add_circle:",
    "updated": ":material/edit:",
    "deleted": ":material/delete:",
    "restored": ":material/history:",
}
WAYS: Final[Mapping[str, str]] = {
    "token": "with a token",
    "dashboard": "in the dashboard",
    "sidecar": "through another application's sidecar",
    "operator": "with crud's own token",
    "local": "on crud's machine",
    "owner": "with the access of the database's owner",
}
AUDIT_OUTCOMES: Final[Mapping[str, Colour]] = {"done": "green", "proposed": "orange", "refused": "red"}
OUTCOMES: Final[Mapping[str, Colour]] = {
    "synced": "green",
    "pending": "orange",
    "failed": "red",
    "superseded": "gray",
}


def verb(item: Activity) -> str:
    """Return what the person did."""
    return CHANGES.get(item.change, item.change)


def icon(item: Activity) -> str:
    """Return the sign of what the person did."""
    return ICONS.get(item.change, ":material/circle:")


def differences(item: Activity) -> str:
    """Return Markdown of what differs: `branch main → next`; empty where the verb says it all."""
    if item.change not in ("updated", "restored"):
        return ""
    return ", ".join(
        f"{FIELDS.get(name, name).lower()} {_value(before)} → {_value(after)}"
        for name, (before, after) in item.fields.items()
    )


def outcomes(item: Activity) -> Iterator[tuple[str, Colour]]:
    """Yield (words, colour) per target, in the order in which the list has its targets."""
    known = list(TARGETS)
    order = sorted(item.outcomes, key=lambda name: (known.index(name) if name in known else len(known), name))
    for target in order:
        word = item.outcomes[target]
        yield f"{target_label(target)} {word}", OUTCOMES.get(word, "gray")


def by_day(items: Iterable[T], when: Callable[[T], datetime], now: datetime) -> Iterator[tuple[str, tuple[T, ...]]]:
    """Yield what happened on each day under the day's name, in the order given."""
    for name, found in groupby(items, lambda item: day(when(item), now)):
        yield name, tuple(found)


def who(entry: AuditEntry) -> str:
    """Return who it was, in full: whom the policy knows, by whose word, and by which way."""
    issuer = f" by {entry.issuer}" if entry.issuer else ""
    unsure = "" if entry.verified else ", whom nobody vouches for"
    return f"{entry.subject}{issuer}{unsure}; {WAYS.get(entry.way, entry.way)}"


def where(entry: AuditEntry) -> str:
    """Return with what it was done: a renderer's, in which environments."""
    return "/".join(part for part in (entry.renderer, ", ".join(entry.environments)) if part)


def day(then: datetime, now: datetime) -> str:
    """Return a day as people say it."""
    if then.date() == now.date():
        return "Today"
    if then.date() == (now - timedelta(days=1)).date():
        return "Yesterday"
    return f"{then:%A}, {then.day} {then:%B %Y}"


def _value(text: str | None) -> str:
    return f"**{plain(text)}**" if text else "*nothing*"
