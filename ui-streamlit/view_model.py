"""From rows to what a page shows: pure, with the time of looking passed in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from models import AppConfig, Draft, FieldError, Filter, Letter, LetterState, RefusedError, Sort, State, TargetStatus

Colour = Literal["green", "orange", "red", "gray"]
Shown = Literal["synced", "pending", "overdue", "failed", "elsewhere", "proposed", "committed", "healthy"]

ELSEWHERE: Final = "elsewhere"
"""What a target reports of a row whose environment it does not deliver."""
COLOURS: Final[Mapping[Shown, Colour]] = {
    "synced": "green",
    "pending": "orange",
    "overdue": "red",
    "failed": "red",
    "elsewhere": "gray",
    "proposed": "orange",
    "committed": "orange",
    "healthy": "green",
}
STAGES: Final[Mapping[str, Shown]] = {
    "proposed": "proposed",
    "committed": "committed",
    "synced": "synced",
    "healthy": "healthy",
    "failed": "failed",
}
FILTERS: Final[tuple[Filter, ...]] = ("synced", "pending", "overdue", "failed", "deleting")
FIELDS: Final[Mapping[str, str]] = {
    "name": "Name",
    "repository_url": "Repository URL",
    "branch": "Branch",
    "environment": "Environment",
}
SORTS: Final[Mapping[Sort, str]] = {
    "-updated_at": "Last changed first",
    "updated_at": "First changed first",
    "name": "Name, A to Z",
    "-name": "Name, Z to A",
    "-id": "Newest first",
    "id": "Oldest first",
}
TARGETS: Final[Mapping[str, str]] = {"k8s": "Kubernetes", "git": "Git"}
LETTER_STATES: Final[Mapping[LetterState, str]] = {"open": "Open", "replayed": "Replayed", "discarded": "Discarded"}
GIT_SHA_LENGTH: Final = 40


@dataclass(frozen=True)
class Table:
    """The list as columns of equal length; `ids[n]` is the row behind line n."""

    ids: tuple[int, ...]
    columns: Mapping[str, tuple[str, ...]]
    states: Mapping[str, tuple[str, ...]]


def target_label(target: str) -> str:
    """Return a target's name for people."""
    return TARGETS.get(target, target)


def targets_of(rows: Iterable[AppConfig]) -> tuple[str, ...]:
    """Return every target that a row names: the known ones in their own order, then the others by name."""
    return tuple(sorted({status.target for row in rows for status in row.sync}, key=_target_order))


def in_order(statuses: Iterable[TargetStatus]) -> tuple[TargetStatus, ...]:
    """Return the statuses in the order in which the list has its targets."""
    return tuple(sorted(statuses, key=lambda status: _target_order(status.target)))


def _target_order(target: str) -> tuple[int, str]:
    return (list(TARGETS).index(target) if target in TARGETS else len(TARGETS), target)


def state_at(row: AppConfig, target: str) -> State:
    """Return the row's state at `target`: one that has not reported yet is pending, never missing."""
    return next((status.state for status in row.sync if status.target == target), "pending")


def shown_at(row: AppConfig, target: str) -> Shown:
    """Return the word for it: one that has been pending for too long is overdue."""
    return next((shown(status) for status in row.sync if status.target == target), "pending")


def shown(status: TargetStatus) -> Shown:
    """Return the word for a status."""
    if status.state == "synced" and status.outcome == ELSEWHERE:
        return "elsewhere"
    if status.state == "synced" and (status.stage or "") in STAGES:
        return STAGES[status.stage or ""]
    return "overdue" if status.overdue else status.state


def table(rows: Iterable[AppConfig], now: datetime) -> Table:
    """Return the list as it is seen at `now`; without any target known, the usual ones are pending."""
    rows = tuple(rows)
    return Table(
        ids=tuple(row.id for row in rows),
        columns={
            "Name": tuple(row.name for row in rows),
            "Environment": tuple(row.environment for row in rows),
            "Repository": tuple(short_url(row.repository_url) for row in rows),
            "Branch": tuple(row.branch for row in rows),
            "Changed": tuple(ago(row.updated_at, now) for row in rows),
            "By": tuple(row.updated_by for row in rows),
        },
        states={
            target_label(target): tuple(shown_at(row, target) for row in rows)
            for target in targets_of(rows) or tuple(TARGETS)
        },
    )


def plain(text: str) -> str:
    """Return Markdown that shows `text` as it is: what people and servers write is no markup (or picture) of ours."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def plain_lines(lines: Iterable[str]) -> str:
    """Return a Markdown list of texts, each shown as it is; what they begin with (`- `) is the list's."""
    return "\n" + "\n".join(f"- {plain(line.removeprefix('- '))}" for line in lines)


def short_url(url: str) -> str:
    """Return a repository's URL without what all of them share, so that the part that differs is seen."""
    return url.removeprefix("https://").removesuffix(".git")


def ago(then: datetime, now: datetime) -> str:
    """Return how long before `now` a moment was, in one unit; a clock that is ahead counts as now."""
    seconds = max(0, int((now - then).total_seconds()))
    if seconds < 10:
        return "just now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (10, "s")):
        if seconds >= size:
            return f"{seconds // size * (10 if unit == 's' else 1)} {unit} ago"
    raise AssertionError("unreachable: every number of seconds from 10 has a unit")


def duration(span: timedelta) -> str:
    """Return a span as people say it: 43 ms, 1.2 s, 5 min."""
    milliseconds = max(0, round(span.total_seconds() * 1000))
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    if milliseconds < 3_600_000:
        return f"{milliseconds // 60_000} min"
    return f"{milliseconds // 3_600_000} h"


def way(status: TargetStatus) -> str:
    """Return how long a change took to arrive, such as `captured after 18 ms, delivered after 43 ms`."""
    if status.state == "failed":
        return ""
    saved = status.times.get("saved")
    stations = [(word, status.times.get(word)) for word in ("captured", "delivered")]
    known = [(word, time) for word, time in stations if saved is not None and time is not None]
    return ", ".join(f"{word} after {duration(time - saved)}" for word, time in known if saved is not None)


def progress(status: TargetStatus, generation: int | None) -> str:
    """Return what the target has against what the row says, in words."""
    if status.observed_generation is None:
        return "Nothing delivered yet"
    if generation is None or status.observed_generation == generation:
        return f"Generation {status.observed_generation}, {status.outcome or status.state}"
    return f"Generation {status.observed_generation} of {generation}, {status.outcome or status.state}"


def reference(status: TargetStatus) -> str:
    """Return what the target calls the delivered state: a commit's short hash, or a resource version."""
    if not status.reference:
        return ""
    if status.target == "git" or len(status.reference) == GIT_SHA_LENGTH:
        return f"commit {status.reference[:10]}"
    return f"resource version {status.reference}" if status.target == "k8s" else status.reference


def shown_range(page_number: int, limit: int, shown: int, total: int) -> str:
    """Return which rows of how many are in sight, page_number counting from 0."""
    if not shown:
        return f"0 of {total:,}"
    first = page_number * limit + 1
    return f"{first:,}-{first + shown - 1:,} of {total:,}"


def differences(mine: Draft, theirs: Draft) -> tuple[tuple[str, str, str], ...]:
    """Return (label, mine, theirs) of each field in which two drafts differ."""
    return tuple(
        (label, getattr(mine, field), getattr(theirs, field))
        for field, label in FIELDS.items()
        if getattr(mine, field) != getattr(theirs, field)
    )


def by_field(errors: Iterable[FieldError]) -> Mapping[str, str]:
    """Return the first message of each field that the form has."""
    messages: dict[str, str] = {}
    for error in errors:
        field = error.field.removeprefix("body.")
        if field in FIELDS:
            messages.setdefault(field, sentence(error.message or error.rule))
    return messages


def sentence(text: str) -> str:
    """Return `text` as a sentence: crud's messages are clauses, as an API's are."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def brief(text: str) -> str:
    """Return a server's words as one sentence, without the answer in JSON that one server quotes of another."""
    return re.sub(r"[:\s]*(\d{3}:)?\s*\{.*", "", text.strip(), flags=re.DOTALL).rstrip(".") + "."


def complaint(refusal: RefusedError) -> str:
    """Return what says why crud refused, with what no field of the form can show."""
    said = refusal.detail or refusal.title
    elsewhere = [error for error in refusal.errors if error.field.removeprefix("body.") not in FIELDS]
    others = [f"{error.field} {error.message}" for error in elsewhere if error.message != said]
    return " ".join(sentence(text) for text in (said, *others))


def row_id(text: str | None) -> int | None:
    """Return the row that a link names, or None if it names none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 19 else None


def letter_title(letter: Letter, now: datetime) -> str:
    """Return one line that tells a dead letter from others."""
    row = "an event" if letter.row_id is None else letter.name or f"row {letter.row_id}"
    times = f", {letter.occurrences} times" if letter.occurrences > 1 else ""
    when = ago(letter.dead_lettered_at, now)
    return f"{row} at {target_label(letter.target)}: {letter.reason}{times}, {when}"


def letter_facts(letter: Letter) -> str:
    """Return which row and generation it was about and where it stood with the broker, as far as that is known."""
    facts = []
    if letter.row_id is not None:
        facts.append(f"Row {letter.row_id}" + (f", generation {letter.generation}" if letter.generation else ""))
    facts += [f"{name.strip('_')} {value}" for name, value in sorted(letter.position.items())]
    return ", ".join(facts)


def resolution(letter: Letter, now: datetime) -> str:
    """Return who resolved a dead letter, when and why; empty while it is open."""
    if letter.resolved_at is None:
        return ""
    why = f": {letter.resolution_reason}" if letter.resolution_reason else ""
    way = ", and not settled by its target yet" if letter.state == "replayed" and letter.answered_at is None else ""
    return f"{LETTER_STATES[letter.state]} by {letter.resolved_by} {ago(letter.resolved_at, now)}{way}{why}"
