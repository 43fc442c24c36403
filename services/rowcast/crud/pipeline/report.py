"""The page of facts from what was gathered. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.broker import BrokerFacts, BrokerKind
from rowcast.core.capture import ConnectFacts, EngineFacts
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import DatabaseFacts, GitOpsEngine, Waiting
from rowcast.crud.pipeline.gathering import Gathered
from rowcast.crud.pipeline.judging import broker, capture, delivery, engine, rights, table
from rowcast.crud.pipeline.judging.verdict import OK, Verdict, station
from rowcast.crud.pipeline.stations import PipelineOut, Station, pipeline
from rowcast.crud.settings import CrudSettings

TARGETS = {"k8s": "Kubernetes API", "git": "Git repository"}
BROKERS: Mapping[BrokerKind, str] = {
    "kafka": "Kafka",
    "redis": "Redis Streams",
    "rabbitmq": "RabbitMQ",
    "jetstream": "NATS JetStream",
}


def report(found: Gathered, settings: CrudSettings) -> PipelineOut:
    """The page."""
    before = [*_database(found, settings), *_capture(found, settings), *_broker(found, settings)]
    return pipeline([*before, *_sidecar(found), *_syncs(found, settings)], found.at)


def missing(found: Gathered) -> Mapping[str, int]:
    """By target, the rows whose events were published and have not come through; only where that is known."""
    if found.database.value is None:
        return {}
    syncs = {target: answer.value for target, answer in found.syncs.items()}
    return table.missing(found.database.value.rows, found.capture.value, syncs, found.at)


def _down(what: str, error: str | None) -> Verdict:
    return Verdict("down", f"{what}: {error}", "see whether it runs, and its log", Advice.PART_DOWN)


def _unasked(what: str) -> Verdict:
    return Verdict("unknown", f"{what} could not be asked", "see the stations that are down")


def _database(found: Gathered, settings: CrudSettings) -> Iterator[Station]:
    facts, now = found.database.value, found.at
    error = (found.database.error or "").removeprefix("the database doesn't answer: ")
    verdict = capture.database(facts) if facts else _down("the database doesn't answer", error)
    yield station("database", "PostgreSQL", verdict, {"login": facts.guards.login} if facts else {}, now)
    names = (("rows", "Configurations"), ("dead-letters", "Dead letters"), ("slot", "Replication slot"))
    if facts is None:
        yield from (station(name, title, _unasked("the database"), {}, now) for name, title in names)
        return
    gaps, reader = missing(found), capture.ENGINE if settings.capture == "engine" else capture.CONNECTOR
    verdicts = (
        (table.rows(facts.rows, gaps, _looks_seconds(found)), _row_facts(facts, gaps)),
        (table.dead_letters(facts.letters, facts.now), _letter_facts(facts)),
        (capture.slot(facts, found.capture.value, reader), _slot_facts(facts)),
    )
    for (name, title), (verdict, told) in zip(names, verdicts, strict=True):
        yield station(name, title, verdict, told, now)


def _capture(found: Gathered, settings: CrudSettings) -> Iterator[Station]:
    facts, error, now = found.capture.value, found.capture.error, found.at
    database = found.database.value
    slot_present = bool(database.slot["present"]) if database else None
    if settings.capture == "engine":
        told: dict[str, Any] = {}
        if isinstance(facts, EngineFacts):
            verdict = capture.engine(facts, slot_present, settings.broker, now)
            told = _engine_capture_facts(facts, now)
        # Without a sidecar of our own we know nothing of others.
        elif found.sidecar.error:
            verdict = _unasked("capture")
        else:
            verdict = _down("capture or its sidecar doesn't answer", error)
        yield station("capture", "Change capture", verdict, told, now)
        return
    if settings.connect_url is None:
        verdict = Verdict("unknown", "crud has not been told where Kafka Connect is", "set ROWCAST_CONNECT_URL")
        yield _unconfigured(station("connect", "Kafka Connect", verdict, {}, now))
        yield _unconfigured(station("connector", "Debezium connector", verdict, {}, now))
    elif isinstance(facts, ConnectFacts):
        yield station("connect", "Kafka Connect", OK, {"version": facts.version}, now)
        told = _connector_facts(facts)
        yield station("connector", "Debezium connector", capture.connector(facts, slot_present), told, now)
    else:
        yield station("connect", "Kafka Connect", _down("Kafka Connect doesn't answer", error), {}, now)
        yield station("connector", "Debezium connector", _unasked("Kafka Connect"), {}, now)


def _broker(found: Gathered, settings: CrudSettings) -> Iterator[Station]:
    facts, title = found.capture.value, BROKERS[settings.broker]
    asked = facts.broker if isinstance(facts, EngineFacts) else None
    told = {"kind": settings.broker, **_broker_facts(asked)}
    if facts is not None:
        verdict = broker.broker(facts, settings.topic_prefix, settings.targets, found.at)
        made = station("broker", title, verdict, told, found.at)
        yield _unconfigured(made) if isinstance(facts, EngineFacts) and not facts.broker_configured else made
    elif settings.capture == "connect" and settings.connect_url is None:
        verdict = Verdict("unknown", "what is known of the broker comes from Kafka Connect", "set ROWCAST_CONNECT_URL")
        yield _unconfigured(station("broker", title, verdict, told, found.at))
    else:
        verdict = _unasked("capture" if settings.capture == "engine" else "Kafka Connect")
        yield station("broker", title, verdict, told, found.at)


def _unconfigured(one: Station) -> Station:
    return one.model_copy(update={"configured": False})


def _sidecar(found: Gathered) -> Iterator[Station]:
    verdict = _down("crud's sidecar is not well", found.sidecar.error) if found.sidecar.error else OK
    yield station("sidecar", "crud's Dapr sidecar", verdict, {}, found.at)


def _syncs(found: Gathered, settings: CrudSettings) -> Iterator[Station]:
    patience = timedelta(seconds=settings.overdue_seconds)
    for target, answer in found.syncs.items():
        title, place = f"sync to {target}", TARGETS.get(target, target)
        facts = answer.value
        if facts is not None:
            told = {name: value for name, value in facts.items() if name != "target_error"}
            yield station(f"sync-{target}", title, delivery.sync(facts, found.at, patience), told, found.at)
            error = None if facts["not_ready"] and not facts["target_error"] else facts["target_error"]
            yield station(f"target-{target}", place, rights.allowed_target(error, facts), {}, found.at)
        else:
            # Without a sidecar of our own we know nothing of others.
            unknown = _unasked(f"sync-{target}")
            gone = _down(f"sync-{target} or its sidecar doesn't answer", answer.error)
            yield station(f"sync-{target}", title, unknown if found.sidecar.error else gone, {}, found.at)
            yield station(f"target-{target}", place, unknown, {}, found.at)
        yield from _engine(target, found)


def _engine(target: str, found: Gathered) -> Iterator[Station]:
    """None where no engine follows, or nobody could be asked whether one does."""
    database = found.database.value
    facts = database.engines.get(target) if database else None
    if database is not None and facts is not None:
        verdict, told = engine.engine(facts, database.now), _engine_facts(facts, database.now)
        yield station(f"engine-{target}", f"GitOps engine of {target}", verdict, told, found.at)


def _looks_seconds(found: Gathered) -> float | None:
    told = [answer.value.get("late_seconds") for answer in found.syncs.values() if answer.value is not None]
    return max((seconds for seconds in told if seconds is not None), default=None)


def _connector_facts(facts: ConnectFacts) -> dict[str, Any]:
    if facts.status is None:
        return {"lsn": facts.lsn}
    tasks = [{"task": one.number, "state": one.state, "error": one.error} for one in facts.status.tasks]
    return {"lsn": facts.lsn, "state": facts.status.state, "error": facts.status.error, "tasks": tasks}


def _engine_capture_facts(facts: EngineFacts, now: datetime) -> dict[str, Any]:
    names = ("version", "state", "error", "lsn", "snapshot", "published", "last_published_at", "waiting_since")
    return {
        **{name: getattr(facts, name) for name in names},
        "last_published_seconds": _seconds(now, facts.last_published_at),
        "waiting_seconds": _seconds(now, facts.waiting_since),
    }


def _broker_facts(facts: BrokerFacts | None) -> dict[str, Any]:
    """Null is what this broker doesn't tell; all of it, where only Kafka Connect is asked."""
    if facts is None:
        return {"version": None, "topics": None, "warnings": []}
    topics = [asdict(topic) for topic in facts.topics]
    return {"version": facts.version, "topics": topics, "warnings": list(facts.warnings)}


def _row_facts(facts: DatabaseFacts, gaps: Mapping[str, int]) -> Mapping[str, Any]:
    rows = facts.rows
    return {
        "rows": rows.total,
        "synced": rows.synced,
        "failed": rows.failed,
        "pending": rows.total - rows.synced - rows.failed,
        "targets": {
            target: {**_waiting(one, facts.now), "failed": rows.refused[target], "missing": gaps.get(target)}
            for target, one in rows.pending.items()
        },
        "deletions": _waiting(rows.deletions, facts.now),
    }


def _waiting(one: Waiting, now: datetime) -> dict[str, Any]:
    return {
        "pending": one.count,
        "overdue": one.overdue,
        "oldest_pending_since": one.since,
        "oldest_pending_seconds": _seconds(now, one.since),
    }


def _letter_facts(facts: DatabaseFacts) -> Mapping[str, Any]:
    oldest = min((one.since for one in facts.letters.values() if one.since is not None), default=None)
    return {
        "open": sum(one.count for one in facts.letters.values()),
        "oldest": oldest,
        "oldest_seconds": _seconds(facts.now, oldest),
        "targets": {target: one.count for target, one in facts.letters.items()},
    }


def _slot_facts(facts: DatabaseFacts) -> Mapping[str, Any]:
    slot, now = facts.slot, facts.now
    names = ("active", "wal_status", "lag_bytes", "retained_bytes", "confirmed_lsn", "lsn")
    return {
        "present": slot["present"],
        **{name: slot[name] for name in names},
        "confirmed_seconds": _seconds(now, slot["marked_at"]),
        "heartbeat_seconds": _seconds(now, slot["beat_at"]),
    }


def _engine_facts(facts: GitOpsEngine, now: datetime) -> Mapping[str, Any]:
    names = ("application", "revision", "sync", "health", "message", "since", "observed_at", "pending")
    return {
        **{name: getattr(facts, name) for name in names},
        "pending_truncated": facts.truncated,
        "refused": len(facts.refused),
        "since_seconds": _seconds(now, facts.since),
        "observed_seconds": _seconds(now, facts.observed_at),
        "stale": engine.stale(facts, now),
    }


def _seconds(now: datetime, since: datetime | None) -> float | None:
    return None if since is None else round(max(0.0, (now - since).total_seconds()), 3)
