"""A change's way as steps with times and lags: pure, with the time of looking passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from configurations import view_model
from configurations.models import RowStatus, TargetStatus
from shared import formatting

Mood = Literal["done", "waiting", "late", "failed", "next"]

COMMIT_URL: Final = "ROWCAST_COMMIT_URL"
"""The setting that says where a commit is looked at."""
CAPTURED: Final = "Captured from the database"
DELIVERED: Final = {"k8s": "Applied to the Kubernetes API", "git": "Committed and pushed"}
MERGED: Final = "Merged"
APPLIED: Final = "Applied by GitOps"
HEALTHY: Final = "Healthy"
NOT_HERE: Final = "Not delivered here"
REMOVED: Final = {"k8s": "Removed from the Kubernetes API", "git": "Removed by a commit"}


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


def tracks(status: RowStatus, saved_at: datetime | None, now: datetime, commit_url: str = "") -> tuple[Track, ...]:
    """Return a track per target for the present generation, saved at `saved_at`, if that is known.

    `commit_url` is the address of a commit with `{commit}` in it, or empty.
    """
    return tuple(_track(target, status, saved_at, now, commit_url) for target in view_model.in_order(status.targets))


def _track(target: TargetStatus, status: RowStatus, saved_at: datetime | None, now: datetime, commit_url: str) -> Track:
    # Until this generation is reported, what the target tells is about an older one.
    reported = target.state != "pending" and target.observed_generation is not None
    reported = reported and (status.generation is None or target.observed_generation == status.generation)
    saved = (target.times.get("saved") if reported else None) or saved_at
    gone = status.generation is None
    first = Step("Deleted" if gone else "Saved", "done", saved, note="" if gone else f"generation {status.generation}")
    steps = _reported(target, saved, commit_url, gone=gone) if reported else _waiting(target, saved, now, gone=gone)
    return Track(target.target, view_model.shown(target), (first, *steps), target.error or target.stage_error or "")


def _reported(target: TargetStatus, saved: datetime | None, commit_url: str, *, gone: bool) -> tuple[Step, ...]:
    captured, delivered = target.times.get("captured"), target.times.get("delivered")
    steps = [Step(CAPTURED, "done", captured, _lag(saved, captured))]
    if target.state == "failed":
        return (*steps, Step("Refused", "failed", delivered, _lag(saved, delivered), "it is a dead letter"))
    if target.outcome == view_model.ELSEWHERE:
        return (*steps, Step(NOT_HERE, "done", delivered, _lag(saved, delivered), "another target has its environment"))
    note = " · ".join(part for part in (target.outcome or "", view_model.reference(target)) if part)
    link = commit_link(target, commit_url)
    steps.append(Step(_delivered(target, gone=gone), "done", delivered, _lag(saved, delivered), note, link))
    return (*steps, *_followed(target))


def _followed(target: TargetStatus) -> tuple[Step, ...]:
    """What comes after the delivery, where somebody follows: a review, a GitOps engine, controllers in the cluster."""
    in_cluster = view_model.kind(target) == "k8s"
    applied = () if in_cluster else (Step(APPLIED, "done"),)
    match target.stage:
        case "proposed":
            link = target.link if (target.link or "").startswith(("https://", "http://")) else ""
            return (Step(MERGED, "waiting", note="open the pull request" if link else "in review", link=link or ""),)
        case "committed":
            return (Step(APPLIED, "waiting"), Step(HEALTHY, "next"))
        case "failed" if in_cluster:
            return (Step(HEALTHY, "failed"),)
        case "failed":
            return (Step(APPLIED, "failed", note="the cluster refused it"),)
        case "synced":
            return (*applied, Step(HEALTHY, "waiting"))
        case "healthy":
            return (*applied, Step(HEALTHY, "done"))
        case _:
            return ()


def _waiting(target: TargetStatus, saved: datetime | None, now: datetime, *, gone: bool) -> tuple[Step, ...]:
    has = "nothing there yet" if target.observed_generation is None else f"there is {_observed(target)}"
    waits = f"for {formatting.duration(now - saved)}" if saved and now > saved else ""
    delivered = _delivered(target, gone=gone)
    if target.error:
        # Who says why it can't deliver has the change.
        return (Step(CAPTURED, "done"), Step(delivered, "late", lag=waits, note=has))
    return (Step(CAPTURED, "late" if target.overdue else "waiting", lag=waits, note=has), Step(delivered, "next"))


def _observed(target: TargetStatus) -> str:
    return f"generation {target.observed_generation}"


def _lag(saved: datetime | None, then: datetime | None) -> str:
    return "" if then is None or saved is None else f"+{formatting.duration(then - saved)}"


def _delivered(target: TargetStatus, *, gone: bool) -> str:
    kind = view_model.kind(target)
    return REMOVED.get(kind, "Removed") if gone else DELIVERED.get(kind, "Delivered")


def commit_link(target: TargetStatus, template: str) -> str:
    """Return the address of the commit that delivered, or nothing where there is none to link to."""
    is_commit = target.reference and len(target.reference) == view_model.GIT_SHA_LENGTH
    if not is_commit or "{commit}" not in template or not template.startswith(("https://", "http://")):
        return ""
    return template.replace("{commit}", target.reference or "")
