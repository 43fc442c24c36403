"""From facts to stations, in words. Pure: whoever gathers passes the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rowcast.crud.pipeline.advice import Advice, page
from rowcast.crud.pipeline.connect import ConnectFacts
from rowcast.crud.pipeline.database import DatabaseFacts, Rows, Waiting
from rowcast.crud.pipeline.stations import State, Station

UNCONFIRMED = timedelta(seconds=60)
"""The heart beats every 5 s, and each beat is confirmed within the next two."""
SILENT = timedelta(seconds=30)
"""Six beats."""
RETAINED_BYTES = 512 * 1024 * 1024
"""Log that the database keeps for the slot; servers that limit it are often set to 1 GiB."""


@dataclass(frozen=True)
class Verdict:
    """What there is to say of a station: its state and, unless it is ok, what is wrong and what to do."""

    state: State = "ok"
    message: str | None = None
    action: str | None = None
    advice: Advice | None = None


OK = Verdict()


def station(name: str, title: str, verdict: Verdict, facts: Mapping[str, Any], now: datetime) -> Station:
    """The station."""
    advice = verdict.advice
    return Station(
        name=name,
        title=title,
        state=verdict.state,
        message=verdict.message,
        action=verdict.action,
        advice=str(advice) if advice else None,
        page=page(advice) if advice else None,
        facts=dict(facts),
        checked_at=now,
    )


def slot(facts: DatabaseFacts, connect: ConnectFacts | None) -> Verdict:
    """The replication slot. `connect` is None where Connect doesn't answer, or crud isn't told about it."""
    slot, now = facts.slot, facts.now
    if not slot["present"]:
        if connect is not None and connect.status is None:
            return Verdict("degraded", "there is no slot yet: the connector makes it", "wait, or apply the connector")
        return Verdict(
            "down",
            "the replication slot is gone: changes since then are in no event",
            "let the connector make a new one and snapshot, then reconcile each target",
            Advice.LOST_SLOT,
        )
    if slot["wal_status"] == "lost":
        return Verdict(
            "down",
            "PostgreSQL has given the slot up: it fell behind by more than max_slot_wal_keep_size",
            "drop the slot, restart the connector, then reconcile each target",
            Advice.LOST_SLOT,
        )
    if connect is not None and connect.lsn is not None and connect.lsn > slot["lsn"]:
        return Verdict(
            "down",
            "the connector has read further than this database has written: it was restored from a copy",
            "make the connector snapshot again (rowcast connector resnapshot), then reconcile each target",
            Advice.RESTORED_DATABASE,
        )
    return _lag(slot, now)


def _lag(slot: Mapping[str, Any], now: datetime) -> Verdict:
    silent = now - slot["beat_at"]
    unconfirmed = slot["mark_confirmed"] is False and now - slot["marked_at"] > UNCONFIRMED
    if slot["active"] and unconfirmed and silent < SILENT:
        return Verdict(
            "degraded",
            f"the slot has confirmed nothing for {duration(now - slot['marked_at'])}, though the connector reads it:"
            " was the database restored from a copy that had the slot?",
            "if it was: rowcast connector resnapshot, then reconcile each target",
            Advice.RESTORED_DATABASE,
        )
    if not slot["active"]:
        return Verdict(
            "down",
            f"nobody reads the slot, {size(slot['lag_bytes'])} wait in it; the connector's last beat was"
            f" {duration(silent)} ago",
            "see the connector; the database keeps its log for the slot meanwhile",
            Advice.SLOT_BEHIND,
        )
    if slot["wal_status"] == "unreserved" or (slot["retained_bytes"] or 0) > RETAINED_BYTES:
        return Verdict(
            "degraded",
            f"the database keeps {size(slot['retained_bytes'])} of its log for the slot (wal_status"
            f" {slot['wal_status']})",
            "see why the connector is slow, or give the database room",
            Advice.SLOT_BEHIND,
        )
    if silent > UNCONFIRMED:
        return Verdict(
            "degraded",
            f"the connector's last beat was {duration(silent)} ago, though the slot is read",
            "see the connector",
            Advice.SLOT_BEHIND,
        )
    return OK


def connector(facts: ConnectFacts, slot_present: bool | None) -> Verdict:
    """The Debezium connector and its task. `slot_present` is None where the database doesn't answer."""
    status = facts.status
    if status is None:
        return Verdict(
            "down",
            "Connect has no connector of this name: nothing captures changes",
            "rowcast connector apply",
            Advice.CONNECTOR_MISSING,
        )
    if status.failed:
        return Verdict(
            "down",
            str(status),
            "mend the cause, then: rowcast connector apply",
            Advice.CONNECTOR_FAILED,
        )
    if not status.running:
        return Verdict(
            "down" if status.state in ("PAUSED", "STOPPED") else "degraded",
            str(status),
            "resume it by Connect's REST interface" if status.state in ("PAUSED", "STOPPED") else "wait a moment",
            Advice.CONNECTOR_FAILED,
        )
    if facts.offsets_known and facts.lsn is None and slot_present:
        return Verdict(
            "degraded",
            "the connector runs and remembers no place in the log: it is about to read, or reads, the whole table",
            "if that lasts for more than a minute, or rows were deleted meanwhile: reconcile each target",
            Advice.LOST_OFFSETS,
        )
    return OK


def rows(facts: Rows) -> Verdict:
    """The rows that wait, and the deletions."""
    late = {target: one for target, one in facts.pending.items() if one.overdue}
    parts = [f"{_count(one.overdue, 'row')} at {target}" for target, one in late.items()]
    if facts.deletions.overdue:
        parts.append(_count(facts.deletions.overdue, "deletion"))
    if parts:
        return Verdict(
            "degraded",
            f"overdue: {', '.join(parts)}",
            "see which station before or after is not ok; if all are, their events were lost: reconcile",
            Advice.RECONCILE,
        )
    if facts.failed:
        return Verdict(
            "degraded",
            f"{_count(facts.failed, 'row')} refused by a target",
            "see the dead letters: mend the cause, then replay or discard them",
            Advice.DEAD_LETTERS,
        )
    return OK


def dead_letters(letters: Mapping[str, Waiting], now: datetime) -> Verdict:
    """Open dead letters."""
    open_ = sum(one.count for one in letters.values())
    if not open_:
        return OK
    oldest = min(one.since for one in letters.values() if one.since is not None)
    return Verdict(
        "degraded",
        f"{_count(open_, 'dead letter')} open, the oldest for {duration(now - oldest)}",
        "mend the cause, then replay or discard them",
        Advice.DEAD_LETTERS,
    )


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
        words = f"{_count(retrying['rows'], 'row')} tried again for {duration(age)}: {retrying['error']}"
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


def target(error: str | None) -> Verdict:
    """The target itself, asked by its sync instance a moment ago."""
    if error is None:
        return OK
    return Verdict(
        "down", f"{error}", "mend it or the access to it; deliveries wait and go on by themselves", Advice.TARGET_DOWN
    )


def duration(span: timedelta) -> str:
    """For people: `8 s`, `12 min`, `3 h`, `2 d`."""
    seconds = max(0, round(span.total_seconds()))
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def size(count: int | None) -> str:
    """For people: `300 B`, `12 MiB`."""
    value, unit = float(count or 0), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _healed(last: Mapping[str, Any], recreated: datetime) -> bool:
    started = _time(last.get("started_at"))
    return last.get("state") == "done" and not last.get("dry_run") and started is not None and started > recreated


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
