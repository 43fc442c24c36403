"""From the pipeline's facts to what the page of settings shows: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pipeline_models import Pipeline
from view_model import duration, target_label

UNSAID: Final = "not told"
DRIFT: Final[Mapping[str, str]] = {"correct": "put right", "report": "reported only"}


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
