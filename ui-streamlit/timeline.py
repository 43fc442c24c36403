"""A change's way as steps with times and lags: pure, with the time of looking passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import view_model
from models import RowStatus, TargetStatus

Mood = Literal["done", "waiting", "late", "failed", "next"]

CAPTURED: Final = "Captured from the database"
DELIVERED: Final = {"k8s": "Applied to the Kubernetes API", "git": "Committed and pushed"}


@dataclass(frozen=True)
class Step:
    """One station: `at` is when it was reached, `lag` how long after the save; `note` says what came of it."""

    title: str
    mood: Mood
    at: datetime | None = None
    lag: str = ""
    note: str = ""
    link: str = ""


@dataclass(frozen=True)
class Track:
    """One target's steps, with the word for where it is."""

    target: str
    word: view_model.Shown
    steps: tuple[Step, ...]
    error: str = ""


def tracks(status: RowStatus, saved_at: datetime, now: datetime, commit_url: str = "") -> tuple[Track, ...]:
    """Return a track per target for the present generation, saved at `saved_at`.

    `commit_url` is the address of a commit with `{commit}` in it, or empty.
    """
    return tuple(_track(target, status, saved_at, now, commit_url) for target in view_model.in_order(status.targets))


def _track(target: TargetStatus, status: RowStatus, saved_at: datetime, now: datetime, commit_url: str) -> Track:
    word = view_model.shown(target)
    # Until this generation is reported, what the target tells is about an older one.
    told = status.generation is None or target.observed_generation == status.generation
    saved = (target.times.get("saved") if told else None) or saved_at
    gone = status.generation is None
    first = Step("Deleted" if gone else "Saved", "done", saved, note="" if gone else f"generation {status.generation}")
    return Track(
        target.target,
        word,
        (first, *_reported(target, saved, commit_url, gone)) if told else (first, *_waiting(target, saved, now)),
        target.error or "",
    )


def _reported(target: TargetStatus, saved: datetime, commit_url: str, gone: bool) -> tuple[Step, ...]:
    if target.state == "pending" and target.observed_generation is None:
        return (Step(CAPTURED, "waiting"), Step(_delivered(target), "next"))
    captured, delivered = target.times.get("captured"), target.times.get("delivered")
    steps = [Step(CAPTURED, "done", captured, _lag(saved, captured))]
    if target.state == "failed":
        steps.append(Step("Refused", "failed", delivered, _lag(saved, delivered), "it is a dead letter"))
        return tuple(steps)
    note = " · ".join(part for part in (target.outcome or "", view_model.reference(target)) if part)
    title = "Removed" if gone else _delivered(target)
    steps.append(Step(title, "done", delivered, _lag(saved, delivered), note, commit_link(target, commit_url)))
    if applied := target.times.get("applied"):
        steps.append(Step("Applied by GitOps", "done", applied, _lag(saved, applied)))
    return tuple(steps)


def _waiting(target: TargetStatus, saved: datetime, now: datetime) -> tuple[Step, ...]:
    mood: Mood = "late" if target.overdue or target.error else "waiting"
    has = "nothing yet" if target.observed_generation is None else f"still has generation {target.observed_generation}"
    waits = f"for {view_model.duration(now - saved)}" if now > saved else ""
    return (Step(CAPTURED, mood, lag=waits, note=has), Step(_delivered(target), "next"))


def _delivered(target: TargetStatus) -> str:
    return DELIVERED.get(target.target, "Delivered")


def _lag(saved: datetime, then: datetime | None) -> str:
    return "" if then is None else f"+{view_model.duration(then - saved)}"


def commit_link(target: TargetStatus, template: str) -> str:
    """Return the address of the commit that delivered, or nothing where there is none to link to."""
    is_commit = target.reference and len(target.reference) == view_model.GIT_SHA_LENGTH
    if not is_commit or "{commit}" not in template or not template.startswith(("https://", "http://")):
        return ""
    return template.replace("{commit}", target.reference or "")
