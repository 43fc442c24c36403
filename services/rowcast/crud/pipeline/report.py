"""The page of facts from what was gathered. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.broker import BrokerFacts, BrokerKind
from rowcast.core.capture import ConnectFacts, EngineFacts
from rowcast.core.row import RowKey
from rowcast.core.targets import TargetKind
from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.database import DatabaseFacts, GitOpsEngine, Letters
from rowcast.crud.pipeline.gathering import Gathered
from rowcast.crud.pipeline.judging import broker, capture, delivery, engine, rights, table
from rowcast.crud.pipeline.judging.verdict import OK, Verdict, station
from rowcast.crud.pipeline.rows import Counted, Rows, Waiting, together
from rowcast.crud.pipeline.stations import PipelineOut, Station, pipeline
from rowcast.crud.settings import CrudSettings

PLACES: Mapping[TargetKind, str] = {"k8s": "Kubernetes API", "git": "Git repository"}
BROKERS: Mapping[BrokerKind, str] = {
    "kafka": "Kafka",
    "redis": "Redis Streams",
    "rabbitmq": "RabbitMQ",
    "jetstream": "NATS JetStream",
}


def report(found: Gathered, settings: CrudSettings, access: Station | None = None) -> PipelineOut:
    """The page; `access` is what there is to say of who may do what."""
    before = [*_database(found, settings), *_capture(found, settings), *_broker(found, settings)]
    last = [access] if access is not None else []
    return pipeline([*before, *_sidecar(found), *_syncs(found, settings), *last], found.at)


def missing(found: Gathered) -> table.Missing:
    """By target and renderer, the rows whose events were published and have not come through; where that is known."""
    if found.rows.value is None:
        return {}
    syncs = {target: answer.value for target, answer in found.syncs.items()}
    return table.missing(found.rows.value.by_renderer, found.capture.value, syncs, found.at)


def _down(what: str, error: str | None) -> Verdict:
    return Verdict("down", f"{what}: {error}", "see whether it runs, and its log", Advice.PART_DOWN)


def _unasked(what: str) -> Verdict:
    return Verdict("unknown", f"{what} could not be asked", "see the stations that are down")


def _database(found: Gathered, settings: CrudSettings) -> Iterator[Station]:
    facts, now = found.database.value, found.at
    error = (found.database.error or "").removeprefix("the database doesn't answer: ")
    verdict = capture.database(facts) if facts else _down("the database doesn't answer", error)
    told = {"login": facts.guards.login, "searches": "all rows" if facts.slow_searches else "by index"} if facts else {}
    yield station("database", "PostgreSQL", verdict, told, now)
    if facts is None:
        names = (("rows", "Rows"), ("dead-letters", "Dead letters"), ("slot", "Replication slot"))
        yield from (station(name, title, _unasked("the database"), {}, now) for name, title in names)
        return
    if facts.sources:
        tables = {
            one.renderer: {
                "table": one.table,
                "revision": one.revision,
                "faults": one.faults,
                "unknown_environments": facts.unknown_environments.get(one.renderer, 0),
            }
            for one in facts.sources
        }
        yield station("sources", "Tables of renderers", table.sources(facts.sources), {"renderers": tables}, now)
    yield _rows(found)
    verdict = table.dead_letters(facts.letters, facts.now)
    yield station("dead-letters", "Dead letters", verdict, _letter_facts(facts.letters, facts.now), now)
    reader = capture.ENGINE if settings.capture == "engine" else capture.CONNECTOR
    verdict = capture.slot(facts, found.capture.value, reader)
    yield station("slot", "Replication slot", verdict, _slot_facts(facts), now)


def _rows(found: Gathered) -> Station:
    counted, gaps = found.rows.value, missing(found)
    if counted is None:
        verdict = Verdict("unknown", f"the rows could not be counted: {found.rows.error}", "wait a moment")
        return station("rows", "Rows", verdict, {}, found.at)
    verdict = table.rows(counted.by_renderer, counted.at, gaps, _looks_seconds(found), counted.unknown_targets)
    return station("rows", "Rows", verdict, _row_facts(counted, gaps, found.at), found.at)


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
        title, kind = f"sync to {target}", settings.target_kinds[target]
        place = PLACES[kind] if target == kind else f"{PLACES[kind]} of {target}"
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


def _row_facts(counted: Counted, gaps: table.Missing, now: datetime) -> Mapping[str, Any]:
    whole = together(counted.by_renderer.values())
    sums = {target: sum(numbers.values()) for target, numbers in gaps.items()}
    return {
        **_figures(whole, sums, counted.at),
        "counted_seconds": _seconds(now, counted.at),
        "unknown_targets": counted.unknown_targets,
        "by_renderer": {
            renderer: _figures(one, {target: numbers[renderer] for target, numbers in gaps.items()}, counted.at)
            for renderer, one in counted.by_renderer.items()
        },
    }


def _figures(rows: Rows, gaps: Mapping[str, int], now: datetime) -> dict[str, Any]:
    return {
        "rows": rows.total,
        "synced": rows.synced,
        "failed": rows.failed,
        "failed_row": _named(rows.failing),
        "pending": rows.total - rows.synced - rows.failed,
        "targets": {
            target: {**_waiting(one, now), "failed": rows.refused[target], "missing": gaps.get(target)}
            for target, one in rows.pending.items()
        },
        "deletions": _waiting(rows.deletions, now),
    }


def _waiting(one: Waiting, now: datetime) -> dict[str, Any]:
    return {
        "pending": one.count,
        "overdue": one.overdue,
        "oldest_pending_row": _named(one.row),
        "oldest_pending_since": one.since,
        "oldest_pending_seconds": _seconds(now, one.since),
    }


def _letter_facts(letters: Letters, now: datetime) -> Mapping[str, Any]:
    by_renderer = {
        renderer: _open((key for key in letters if key[0] == renderer), letters, now)
        for renderer in dict.fromkeys(renderer for renderer, _ in letters)
    }
    return {**_open(letters, letters, now), "by_renderer": by_renderer}


def _open(some: Iterable[tuple[str, str]], letters: Letters, now: datetime) -> dict[str, Any]:
    whole, targets = Waiting(), dict[str, int]()
    for key in some:
        whole += letters[key]
        targets[key[1]] = targets.get(key[1], 0) + letters[key].count
    return {
        "open": whole.count,
        "oldest": whole.since,
        "oldest_row": _named(whole.row),
        "oldest_seconds": _seconds(now, whole.since),
        "targets": targets,
    }


def _named(row: RowKey | None) -> str | None:
    return None if row is None else str(row)


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
