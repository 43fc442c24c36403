"""The facts as Prometheus sees them. What isn't known has no series: a value of before would be a lie."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rowcast.core.broker import BrokerFacts
from rowcast.core.capture import CaptureFacts, ConnectFacts, EngineFacts
from rowcast.core.row import APP_CONFIGS
from rowcast.crud.pipeline.database import DatabaseFacts
from rowcast.crud.pipeline.gathering import Gathered, Gathering
from rowcast.crud.pipeline.report import missing, report
from rowcast.crud.pipeline.rows import Counted, Waiting
from rowcast.crud.pipeline.stations import STATES
from rowcast.crud.settings import CrudSettings

TASK_STATES = ("RUNNING", "FAILED", "PAUSED", "UNASSIGNED", "RESTARTING", "STOPPED")


class PipelineMetrics(Collector):
    """Gathers when Prometheus asks (`refresh`), and gives what was found."""

    def __init__(self, gathering: Gathering, settings: CrudSettings, registry: CollectorRegistry) -> None:
        self._gathering = gathering
        self._settings = settings
        self._found: Gathered | None = None
        registry.register(self)

    async def refresh(self) -> None:
        """Ask every station."""
        self._found = await self._gathering.gather()

    def describe(self) -> Iterable[Metric]:
        """Every family that there can be, without values."""
        return [family for family, _ in _FAMILIES.values()]

    def collect(self) -> Iterator[Metric]:
        """The families with what was found last."""
        if self._found is not None:
            yield from _collected(self._found, self._settings)


def _gauge(name: str, text: str, *labels: str) -> tuple[GaugeMetricFamily, tuple[str, ...]]:
    return GaugeMetricFamily(f"rowcast_{name}", text, labels=labels), labels


_AT = ("renderer", "target")
_FAMILIES = {
    name: _gauge(name, text, *labels)
    for name, text, *labels in (
        ("station_state", "1 for the state that a station of the way is in.", "station", "state"),
        ("rows", "Rows by their state over all targets.", "renderer", "state"),
        ("pending_rows", "Rows whose present generation a target has not got.", *_AT),
        ("overdue_rows", "Rows that are pending for longer than ROWCAST_OVERDUE_SECONDS.", *_AT),
        ("missing_events", "Rows whose events were published and have not come to an idle target.", *_AT),
        ("oldest_pending_timestamp_seconds", "When the change was made that waits longest; 0 if none.", *_AT),
        ("deletions", "Deleted rows that are not gone from every target.", "renderer"),
        ("overdue_deletions", "Deletions that take longer than ROWCAST_OVERDUE_SECONDS.", "renderer"),
        ("oldest_deletion_timestamp_seconds", "When the deletion was made that waits longest; 0 if none.", "renderer"),
        ("rows_counted_timestamp_seconds", "When the rows were counted: with a million, not each time."),
        ("source_faults", "What keeps a renderer's table from being captured as its declaration says.", "renderer"),
        (
            "rows_of_unknown_environment",
            "Rows whose environment isn't known, yet or at all: they are there for who may view all of the renderer's.",
            "renderer",
        ),
        ("rollouts", "1 for the state of the roll-out of a renderer that is under way.", "renderer", "state"),
        ("dead_letters_open", "Dead letters that nobody has replayed or discarded.", *_AT),
        ("oldest_dead_letter_timestamp_seconds", "When the oldest open dead letter was written; 0 if none.", *_AT),
        ("slot_present", "1 if the replication slot is there."),
        ("slot_active", "1 if capture reads the slot."),
        ("slot_lost", "1 if PostgreSQL has given the slot up."),
        ("slot_lag_bytes", "Log that the slot has not confirmed."),
        ("slot_retained_bytes", "Log that the database keeps for the slot."),
        ("slot_confirmed_timestamp_seconds", "All that was written before then is confirmed by capture."),
        ("heartbeat_timestamp_seconds", "When capture last beat."),
        ("capture_running", "1 if changes are captured, by the connector and its tasks or by `rowcast capture`."),
        (
            "capture_waiting_since_timestamp_seconds",
            "Since when an event of `rowcast capture` waits for the broker to take it; 0 if none.",
        ),
        ("broker_messages", "Messages that the broker keeps, where it tells.", "topic"),
        ("broker_bytes", "Size of what the broker keeps, where it tells.", "topic"),
        ("broker_group_lag", "Messages that a reader has not been given, where the broker tells.", "topic", "group"),
        (
            "broker_group_unanswered",
            "Messages that a reader was given and has not answered, where the broker tells.",
            "topic",
            "group",
        ),
        ("connector_running", "1 if the connector and all its tasks run."),
        ("connector_tasks", "Tasks of the connector by state.", "state"),
    )
}


def _collected(found: Gathered, settings: CrudSettings) -> Iterator[Metric]:
    yield _stations(found, settings)
    if found.database.value is not None:
        yield from _database(found.database.value, settings)
    if found.rows.value is not None:
        yield from _rows(found.rows.value)
    if gaps := missing(found):
        values = (((one, target), number) for target, numbers in gaps.items() for one, number in numbers.items())
        yield _family("missing_events", *values)
    if found.capture.value is not None:
        yield from _capture(found.capture.value)


def _family(name: str, *values: tuple[tuple[str, ...], float]) -> Metric:
    empty, labels = _FAMILIES[name]
    family = GaugeMetricFamily(empty.name, empty.documentation, labels=labels)
    for labelled, value in values:
        family.add_metric(labelled, value)
    return family


def _stations(found: Gathered, settings: CrudSettings) -> Metric:
    stations = [one for one in report(found, settings).stations if one.configured]
    return _family(
        "station_state",
        *(((one.name, state), float(one.state == state)) for one in stations for state in STATES),
    )


def _rows(counted: Counted) -> Iterator[Metric]:
    rows = counted.by_renderer
    states: list[tuple[tuple[str, ...], float]] = []
    for renderer, one in rows.items():
        pending = one.total - one.synced - one.failed
        counts = (("synced", one.synced), ("pending", pending), ("failed", one.failed))
        states += (((renderer, state), number) for state, number in counts)
    yield _family("rows", *states)
    waiting = {(renderer, target): one for renderer, each in rows.items() for target, one in each.pending.items()}
    yield from _waiting("pending_rows", "oldest_pending_timestamp_seconds", waiting)
    yield _family("overdue_rows", *((labels, one.overdue) for labels, one in waiting.items()))
    deletions = {(renderer,): one.deletions for renderer, one in rows.items()}
    yield from _waiting("deletions", "oldest_deletion_timestamp_seconds", deletions)
    yield _family("overdue_deletions", *((labels, one.overdue) for labels, one in deletions.items()))
    yield _family("rows_counted_timestamp_seconds", ((), counted.at.timestamp()))


def _database(facts: DatabaseFacts, settings: CrudSettings) -> Iterator[Metric]:
    slot = facts.slot
    renderers = [APP_CONFIGS, *(state.renderer for state in facts.sources)]
    nothing = {(renderer, target): Waiting() for renderer in renderers for target in settings.targets}
    letters = {**nothing, **facts.letters}
    yield from _waiting("dead_letters_open", "oldest_dead_letter_timestamp_seconds", letters)
    yield _family("source_faults", *(((state.renderer,), len(state.faults)) for state in facts.sources))
    unknown = ((state.renderer, facts.unknown_environments.get(state.renderer, 0)) for state in facts.sources)
    yield _family("rows_of_unknown_environment", *(((renderer,), number) for renderer, number in unknown))
    yield _family("rollouts", *((its, 1.0) for its in facts.rollouts.items()))
    yield _family("slot_present", ((), float(slot["present"])))
    yield _family("heartbeat_timestamp_seconds", ((), _timestamp(slot["beat_at"])))
    if slot["present"]:
        yield _family("slot_active", ((), float(slot["active"])))
        yield _family("slot_lost", ((), float(slot["wal_status"] == "lost")))
        for name in ("lag_bytes", "retained_bytes"):
            if slot[name] is not None:
                yield _family(f"slot_{name}", ((), slot[name]))
    if slot["marked_at"] is not None:
        yield _family("slot_confirmed_timestamp_seconds", ((), _timestamp(slot["marked_at"])))


def _waiting(count: str, oldest: str, waiting: Mapping[Any, Waiting]) -> Iterator[Metric]:
    yield _family(count, *((labels, one.count) for labels, one in waiting.items()))
    yield _family(oldest, *((labels, _timestamp(one.since)) for labels, one in waiting.items()))


def _capture(facts: CaptureFacts) -> Iterator[Metric]:
    yield _family("capture_running", ((), float(facts.running)))
    if isinstance(facts, EngineFacts):
        yield _family("capture_waiting_since_timestamp_seconds", ((), _timestamp(facts.waiting_since)))
        if facts.broker is not None:
            yield from _broker(facts.broker)
    else:
        yield from _connect(facts)


def _broker(facts: BrokerFacts) -> Iterator[Metric]:
    for name in ("messages", "bytes"):
        told = [((topic.name,), getattr(topic, name)) for topic in facts.topics]
        yield _family(f"broker_{name}", *((labels, value) for labels, value in told if value is not None))
    for name in ("lag", "unanswered"):
        groups = [((topic.name, group.name), getattr(group, name)) for topic in facts.topics for group in topic.groups]
        yield _family(f"broker_group_{name}", *((labels, value) for labels, value in groups if value is not None))


def _connect(facts: ConnectFacts) -> Iterator[Metric]:
    status = facts.status
    yield _family("connector_running", ((), float(status is not None and status.running)))
    states = [task.state for task in status.tasks] if status else []
    yield _family("connector_tasks", *(((state,), states.count(state)) for state in TASK_STATES))


def _timestamp(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0
