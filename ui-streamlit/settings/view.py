"""From the pipeline's facts to what the page of settings shows: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from access.models import Extent, Mine
from pipeline.models import Pipeline
from shared.formatting import duration, target_label

UNSAID: Final = "not told"
DRIFT: Final[Mapping[str, str]] = {"correct": "put right", "report": "reported only"}


def allowed(mine: Mine) -> tuple[tuple[str, str], ...]:
    """Return (of what, what one may do) for each renderer and target, and for what is of neither."""
    found = [
        (f"{renderer} {resource}", ", ".join(verbs))
        for renderer, acts in mine.renderers.items()
        for resource, verbs in _verbs(acts).items()
    ]
    found += [
        (f"{target_label(target)} reconciles", ", ".join(verbs)) for target, verbs in mine.targets.items() if verbs
    ]
    return (*found, *((resource, verb) for resource, _, verb in (act.partition("/") for act in sorted(mine.other))))


def _verbs(acts: Mapping[str, Extent]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for act, extent in acts.items():
        resource, _, verb = act.partition("/")
        if extent != "none":
            found.setdefault(resource, []).append(f"{verb} in some environments" if extent == "some" else verb)
    return found


def services(pipeline: Pipeline) -> tuple[tuple[str, str, str], ...]:
    """Return (part, setting, value) as far as the stations tell."""
    found: list[tuple[str, str, str]] = []
    for station in pipeline.stations:
        facts = station.facts
        if station.name.startswith("sync-") and facts:
            part = f"Sync to {target_label(station.name.removeprefix('sync-'))}"
            reconcile = facts.get("reconcile") or {}
            period = reconcile.get("period_seconds")
            drift = str(reconcile.get("drift") or UNSAID)
            found += [
                (part, "Reconciles every", _period(period)),
                (part, "Drift is", DRIFT.get(drift, drift)),
                (part, "Runs since", str(facts.get("started_at") or UNSAID)[:19].replace("T", " ")),
            ]
        elif station.name in ("connect", "capture", "broker") and facts.get("version"):
            found.append((station.title, "Version", str(facts["version"])))
        elif station.name == "slot" and facts.get("wal_status"):
            found.append((station.title, "WAL status", str(facts["wal_status"])))
        elif not station.configured and station.message:
            found.append((station.title, "Not watched", f"{station.message}; {station.action}"))
    return tuple(found)


def _period(seconds: float | None) -> str:
    if seconds is None:
        return UNSAID
    return "never" if not seconds else duration(timedelta(seconds=seconds))
