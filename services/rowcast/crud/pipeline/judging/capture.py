"""From the table to the broker: what capture rests on, the replication slot, and the connector that reads it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.connect import ConnectFacts
from rowcast.crud.pipeline.database import DatabaseFacts
from rowcast.crud.pipeline.judging.verdict import OK, Verdict
from rowcast.crud.pipeline.judging.words import duration, size

UNCONFIRMED = timedelta(seconds=60)
"""The heart beats every 5 s, and each beat is confirmed within the next two."""
SILENT = timedelta(seconds=30)
"""Six beats."""
RETAINED_BYTES = 512 * 1024 * 1024
"""Log that the database keeps for the slot; servers that limit it are often set to 1 GiB."""
REFUSED = "Cannot seek to the last known offset"
"""Debezium's words (3.x) for an offset between the slot's restart_lsn and what the slot has confirmed."""


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
    if facts.guards.publication:
        return Verdict(
            "down",
            f"changes are lost, or captured in part: {'; '.join(facts.guards.publication)}",
            "rowcast crud migrate puts it right; then reconcile each target",
            Advice.CAPTURE_SETUP,
        )
    return _lag(slot, now)


def database(facts: DatabaseFacts) -> Verdict:
    """The database itself, which answers: whether its triggers fire, and whether crud may do more than it needs."""
    guards = facts.guards
    if guards.triggers:
        return Verdict(
            "degraded",
            f"changes may have no generation and no history: {'; '.join(guards.triggers)}",
            "rowcast crud migrate puts it right; then reconcile each target",
            Advice.CAPTURE_SETUP,
        )
    if guards.excess:
        return Verdict(
            "degraded",
            f"crud serves as {guards.login}, which {', '.join(guards.excess)}",
            "serve as a role of its own: ROWCAST_SERVING_ROLE",
            Advice.TOO_MANY_RIGHTS,
        )
    return OK


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
    if status.failed and REFUSED in str(status):
        return Verdict(
            "down",
            f"the offset lies before what the slot has confirmed, and Debezium does not go back there: {status}",
            "rowcast connector resnapshot, then reconcile each target",
            Advice.LOST_OFFSETS,
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
