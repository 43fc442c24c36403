"""From the broker to the targets: each sync instance, by what it tells of itself, and its target."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.words import count, duration
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.judging.verdict import OK, Verdict

QUIET = timedelta(seconds=5)
"""What a broker holds back for a moment, a batch or a status on its way, has arrived by then."""


def sync(facts: Mapping[str, Any], now: datetime, patience: timedelta) -> Verdict:
    """One sync instance, by what it tells of itself."""
    if facts["not_ready"]:
        return Verdict("down", f"takes no events yet: {facts['not_ready']}", "see its log", Advice.TARGET_DOWN)
    if facts["sidecar_error"]:
        return Verdict("degraded", facts["sidecar_error"], "see its sidecar's log", Advice.PART_DOWN)
    recreated = _time(facts["topic_recreated_at"])
    reconcile = facts["reconcile"]
    last = reconcile["last"] or {}
    if recreated is not None and not _healed(last, recreated):
        return Verdict(
            "degraded",
            "the topic of changes was made anew: events that were in it and not yet delivered are gone",
            f"rowcast reconcile --target {facts['target']}",
            Advice.RECREATED_TOPIC,
        )
    retrying = facts["retrying"]
    if retrying["rows"]:
        age = now - (_time(retrying["since"]) or now)
        words = f"{count(retrying['rows'], 'row')} tried again for {duration(age)}: {retrying['error']}"
        return Verdict("degraded", words, "mend the cause; they go on by themselves", Advice.TARGET_DOWN)
    since = _time(facts["in_flight"]["since"])
    if since is not None and now - since > patience:
        words = f"a batch has been in delivery for {duration(now - since)}"
        return Verdict("degraded", words, "see its log and the target", Advice.TARGET_DOWN)
    bug = _time(facts["last_bug_at"])
    if bug is not None and now - bug < timedelta(minutes=5):
        return Verdict("degraded", f"a bug of Rowcast's: {facts['last_error']}", "report it with the log's lines")
    return _reconciled(reconcile, last, now)


def _reconciled(reconcile: Mapping[str, Any], last: Mapping[str, Any], now: datetime) -> Verdict:
    if last.get("state") == "refused":
        return Verdict(
            "degraded",
            f"the last reconcile refused: {last['error']}",
            "see whether the table is the right, whole one, then reconcile with --yes-prune-all",
            Advice.RECONCILE_REFUSED,
        )
    if last.get("state") == "failed":
        return Verdict("degraded", f"the last reconcile failed: {last['error']}", "it is tried again", Advice.RECONCILE)
    ended = _time(last.get("finished_at"))
    late = timedelta(seconds=3 * reconcile["period_seconds"])
    if late and ended is not None and now - ended > late and reconcile["current"] is None:
        return Verdict("degraded", f"the last reconcile was {duration(now - ended)} ago", "see its log")
    return OK


def idle(facts: Mapping[str, Any], now: datetime, waiting: int | None) -> bool:
    """Whether an instance has nothing to do, and nothing on its way to it.

    `waiting` is how many messages the broker has for it; where that isn't told (None), QUIET without an event.
    """
    wrong = facts["not_ready"] or facts["target_error"] or facts["sidecar_error"]
    if wrong or facts["in_flight"]["batches"] or facts["retrying"]["rows"] or facts["reconcile"]["current"]:
        return False
    if waiting is not None:
        return waiting == 0
    last = _time((facts["last_event"] or {}).get("captured_at"))
    return last is None or now - last > QUIET


def target(error: str | None) -> Verdict:
    """The target itself, asked by its sync instance a moment ago."""
    if error is None:
        return OK
    return Verdict(
        "down", f"{error}", "mend it or the access to it; deliveries wait and go on by themselves", Advice.TARGET_DOWN
    )


def _healed(last: Mapping[str, Any], recreated: datetime) -> bool:
    started = _time(last.get("started_at"))
    return last.get("state") == "done" and not last.get("dry_run") and started is not None and started > recreated


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
