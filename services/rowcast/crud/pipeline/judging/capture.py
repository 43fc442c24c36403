"""From the table to the broker: what capture rests on, the replication slot, and whatever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.broker import BrokerKind
from rowcast.core.capture import CaptureFacts, ConnectFacts, EngineFacts
from rowcast.core.words import duration, size
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import DatabaseFacts
from rowcast.crud.pipeline.judging.verdict import OK, Verdict

UNCONFIRMED = timedelta(seconds=60)
"""The heart beats every 5 s, and each beat is confirmed within the next two."""
SILENT = timedelta(seconds=30)
"""Six beats."""
RETAINED_BYTES = 512 * 1024 * 1024
"""Log that the database keeps for the slot; servers that limit it are often set to 1 GiB."""
REFUSED = "Cannot seek to the last known offset"
"""Debezium's words (3.x) for an offset between the slot's restart_lsn and what the slot has confirmed."""
UNTAKEN = timedelta(seconds=10)
"""A broker that is well answers within milliseconds."""
FULL: Mapping[BrokerKind, str] = {
    "kafka": "see whether it runs and its disk has room",
    "redis": "see whether it runs and is full (INFO memory): give it memory, or let the syncs drain it",
    "rabbitmq": "see whether it runs and an alarm of memory or disk is on (rabbitmq-diagnostics alarms)",
    "jetstream": "see whether it runs and a limit of stream, account or disk is reached (nats stream report)",
}
"""What a broker that takes no more wants, in words; capture goes on by itself then."""


@dataclass(frozen=True)
class Reader:
    """Whatever reads the slot: what it is called, and what makes it start or read the table again."""

    name: str
    start: str
    resnapshot: str


CONNECTOR = Reader("the connector", "apply the connector", "rowcast connector resnapshot")
ENGINE = Reader("capture", "start capture", "rowcast capture resnapshot")


def slot(facts: DatabaseFacts, captured: CaptureFacts | None, reader: Reader = CONNECTOR) -> Verdict:
    """The replication slot. `captured` is None where its reader doesn't answer, or crud isn't told about it."""
    slot, now = facts.slot, facts.now
    if not slot["present"]:
        if captured is not None and captured.makes_slot:
            return Verdict("degraded", f"there is no slot yet: {reader.name} makes it", f"wait, or {reader.start}")
        return Verdict(
            "down",
            "the replication slot is gone: changes since then are in no event",
            f"let {reader.name} make a new one and snapshot, then reconcile each target",
            Advice.LOST_SLOT,
        )
    if slot["wal_status"] == "lost":
        return Verdict(
            "down",
            "PostgreSQL has given the slot up: it fell behind by more than max_slot_wal_keep_size",
            f"drop the slot, restart {reader.name}, then reconcile each target",
            Advice.LOST_SLOT,
        )
    if captured is not None and captured.lsn is not None and captured.lsn > slot["lsn"]:
        return Verdict(
            "down",
            f"{reader.name} has read further than this database has written: it was restored from a copy",
            f"make {reader.name} snapshot again ({reader.resnapshot}), then reconcile each target",
            Advice.RESTORED_DATABASE,
        )
    if facts.guards.publication:
        return Verdict(
            "down",
            f"changes are lost, or captured in part: {'; '.join(facts.guards.publication)}",
            "rowcast crud migrate puts it right; then reconcile each target",
            Advice.CAPTURE_SETUP,
        )
    return _lag(slot, now, reader)


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


def _lag(slot: Mapping[str, Any], now: datetime, reader: Reader) -> Verdict:
    silent = now - slot["beat_at"]
    unconfirmed = slot["mark_confirmed"] is False and now - slot["marked_at"] > UNCONFIRMED
    if slot["active"] and unconfirmed and silent < SILENT:
        return Verdict(
            "degraded",
            f"the slot has confirmed nothing for {duration(now - slot['marked_at'])}, though {reader.name} reads it:"
            " was the database restored from a copy that had the slot?",
            f"if it was: {reader.resnapshot}, then reconcile each target",
            Advice.RESTORED_DATABASE,
        )
    if not slot["active"]:
        return Verdict(
            "down",
            f"nobody reads the slot, {size(slot['lag_bytes'])} wait in it; {reader.name}'s last beat was"
            f" {duration(silent)} ago",
            f"see {reader.name}; the database keeps its log for the slot meanwhile",
            Advice.SLOT_BEHIND,
        )
    if slot["wal_status"] == "unreserved" or (slot["retained_bytes"] or 0) > RETAINED_BYTES:
        return Verdict(
            "degraded",
            f"the database keeps {size(slot['retained_bytes'])} of its log for the slot (wal_status"
            f" {slot['wal_status']})",
            f"see why {reader.name} is slow, or give the database room",
            Advice.SLOT_BEHIND,
        )
    if silent > UNCONFIRMED:
        return Verdict(
            "degraded",
            f"{reader.name}'s last beat was {duration(silent)} ago, though the slot is read",
            f"see {reader.name}",
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


def engine(facts: EngineFacts, slot_present: bool | None, broker: BrokerKind, now: datetime) -> Verdict:
    """Rowcast's own engine. `slot_present` is None where the database doesn't answer."""
    waits = now - facts.waiting_since if facts.waiting_since else timedelta()
    if facts.state == "FAILED" and REFUSED in (facts.error or ""):
        return Verdict(
            "down",
            f"the offset lies before what the slot has confirmed, and Debezium does not go back there: {facts.error}",
            f"{ENGINE.resnapshot}, then reconcile each target",
            Advice.LOST_OFFSETS,
        )
    if facts.state == "FAILED":
        words = f"it has failed: {facts.error}"
        return Verdict("down", words, "mend the cause; it is started again and again by itself", Advice.CAPTURE_FAILED)
    if waits > UNTAKEN:
        because = f": {facts.error}" if facts.error else ""
        return Verdict(
            "down",
            f"the broker has not taken an event for {duration(waits)}{because}",
            f"{FULL[broker]}; capture goes on by itself",
            Advice.BROKER_REFUSES,
        )
    if facts.state == "RETRYING":
        words = f"it tries again: {facts.error}"
        return Verdict("degraded", words, "mend the cause; it goes on by itself", Advice.CAPTURE_FAILED)
    if facts.state == "STARTING":
        return Verdict("degraded", "it starts", "wait a moment", Advice.CAPTURE_FAILED)
    if facts.offsets_known and facts.lsn is None and slot_present:
        return Verdict(
            "degraded",
            "it runs and remembers no place in the log: it is about to read, or reads, the whole table",
            "if that lasts for more than a minute, or rows were deleted meanwhile: reconcile each target",
            Advice.LOST_OFFSETS,
        )
    return OK
