"""From the pipeline's facts to what its page shows: pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from pipeline.models import Pipeline, Station, StationState
from shared.formatting import counted, duration, target_label

WORDS: Final[Mapping[StationState, str]] = {
    "ok": "well",
    "degraded": "needs care",
    "down": "down",
    "unknown": "not known",
}
HEADLINES: Final[Mapping[StationState, str]] = {
    "ok": "Everything on the way is well.",
    "degraded": "The way works, and something needs care.",
    "down": "The way is interrupted.",
    "unknown": "Part of the way could not be asked.",
}
SHORT_REVISION: Final = 10
BUILT_IN: Final = "appconfigs"
"""The renderer of configurations."""
NOT_TOLD: Final = "not told"
"""What this broker doesn't tell; of Kafka behind Connect, crud asks nothing."""
RATE: Final = timedelta(seconds=10)
"""What a rate is taken over."""


class Sampled(Protocol):
    """The figures of one look."""

    @property
    def at(self) -> datetime:
        """When it was."""
        ...

    @property
    def figures(self) -> Mapping[str, float]:
        """By `station.figure`."""
        ...


@dataclass(frozen=True)
class Line:
    """A sparkline: its values, oldest first, and what it shows, in words."""

    values: tuple[float, ...]
    words: str
    top: float = 0.0
    """The least that fills the height: one row that waits is no mountain."""


@dataclass(frozen=True)
class Box:
    """One station in the picture; `figures` are (label, value)."""

    name: str
    title: str
    state: StationState
    figures: tuple[tuple[str, str], ...] = ()
    line: Line | None = None

    @property
    def word(self) -> str:
        """How it is."""
        return WORDS[self.state]


@dataclass(frozen=True)
class Stage:
    """What stands at one place of the way, side by side with nothing between."""

    title: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Trouble:
    """A station that is not well: what is wrong, what to do, and the page that says more."""

    title: str
    state: StationState
    message: str
    action: str
    page: str | None


def measures(pipeline: Pipeline) -> dict[str, float]:
    """Return the figures of which a history is kept, as far as their stations told them."""
    found: dict[str, float] = {}
    for station in pipeline.stations:
        facts = station.facts
        match station.name:
            case "rows":
                found["rows.pending"] = facts.get("pending")  # type: ignore[assignment]  # None goes below
                for target, waiting in (facts.get("targets") or {}).items():
                    found[f"target-{target}.pending"] = waiting.get("pending")
            case name if name.startswith("engine-"):
                found[f"{name}.pending"] = facts.get("pending")  # type: ignore[assignment]
            case "slot":
                found["slot.lag_bytes"] = facts.get("lag_bytes")  # type: ignore[assignment]
                found["database.lsn"] = facts.get("lsn")  # type: ignore[assignment]
                found["connector.heartbeat_seconds"] = facts.get("heartbeat_seconds")  # type: ignore[assignment]
            case "capture":
                found["capture.published"] = facts.get("published")  # type: ignore[assignment]
            case "broker" if facts.get("topics"):
                lags = [group.get("lag") for topic in facts["topics"] for group in topic["groups"]]
                found["broker.lag"] = None if None in lags else sum(lags)  # type: ignore[assignment]
            case "dead-letters":
                found["dead-letters.open"] = facts.get("open")  # type: ignore[assignment]
            case name if name.startswith("sync-"):
                found[f"{name}.events"] = facts.get("events")  # type: ignore[assignment]
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def stages(pipeline: Pipeline, samples: Sequence[Sampled]) -> tuple[Stage, ...]:
    """Return the way, each stage after the one it gets its changes from."""
    boxes = {station.name: box(station, pipeline, samples) for station in pipeline.stations}
    targets = [name.removeprefix("sync-") for name in boxes if name.startswith("sync-")]
    engines = tuple(f"engine-{target}" for target in targets)
    places = (
        ("Table", ("database", "sources", "rows")),
        ("Change log", ("slot",)),
        ("Capture", ("connect", "connector", "capture")),
        ("Broker", ("broker",)),
        ("Delivery", tuple(f"sync-{target}" for target in targets)),
        ("Target", tuple(f"target-{target}" for target in targets)),
        *([("Applied", engines)] if boxes.keys() & set(engines) else ()),
    )
    return tuple(Stage(title, tuple(boxes[name] for name in names if name in boxes)) for title, names in places)


def beside(pipeline: Pipeline, samples: Sequence[Sampled]) -> tuple[Box, ...]:
    """Return the stations that a change doesn't pass, but that are needed or filled on its way."""
    found = (pipeline.station(name) for name in ("sidecar", "dead-letters", "access"))
    return tuple(box(station, pipeline, samples) for station in found if station)


def box(station: Station, pipeline: Pipeline, samples: Sequence[Sampled]) -> Box:
    """Return a station as the picture has it."""
    figures, line = _figures(station, pipeline, samples)
    state = station.state if station.configured else "unknown"
    return Box(station.name, _title(station), state, tuple((name, text) for name, text in figures if text), line)


def troubles(pipeline: Pipeline) -> tuple[Trouble, ...]:
    """Return what is wrong, worst first, then in the order of the way."""
    order = ("down", "degraded", "unknown")
    wrong = [station for station in pipeline.stations if station.configured and station.state != "ok"]
    wrong.sort(key=lambda station: order.index(station.state))
    return tuple(
        Trouble(_title(one), one.state, readable(one.message or WORDS[one.state]), one.action or "", one.page)
        for one in wrong
    )


def open_letters(pipeline: Pipeline | None) -> int:
    """Return how many dead letters are open, 0 where that isn't known."""
    station = pipeline.station("dead-letters") if pipeline else None
    return int(station.facts.get("open") or 0) if station else 0


def rate(name: str, samples: Sequence[Sampled]) -> float | None:
    """Return by how much the counter `name` has risen a second over the last RATE; None without two looks."""
    known = [one for one in samples if name in one.figures]
    if len(known) < 2:
        return None
    last = known[-1]
    earlier = [one for one in known[:-1] if last.at - one.at <= RATE] or known[-2:-1]
    seconds = (last.at - earlier[0].at).total_seconds()
    # A counter that begins anew has lost what was before, not delivered less than nothing.
    return max(0.0, last.figures[name] - earlier[0].figures[name]) / seconds if seconds > 0 else None


def rates(name: str, samples: Sequence[Sampled]) -> tuple[float, ...]:
    """Return the counter's rise a second between each two looks."""
    known = [one for one in samples if name in one.figures]
    pairs = [(one, next_) for one, next_ in itertools.pairwise(known) if next_.at > one.at]
    return tuple(
        max(0.0, later.figures[name] - one.figures[name]) / (later.at - one.at).total_seconds() for one, later in pairs
    )


def values(name: str, samples: Sequence[Sampled]) -> tuple[float, ...]:
    """Return the figure as each look saw it."""
    return tuple(one.figures[name] for one in samples if name in one.figures)


def size(count: float | None) -> str:
    """Return bytes for people: `300 B`, `12 MiB`."""
    value = float(count or 0)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def per_second(value: float | None, unit: str = "") -> str:
    """Return a rate for people: `12/s`, `0.4/s`, `3 KiB/s`."""
    if value is None:
        return ""
    if unit == "B":
        return f"{size(value)}/s"
    return f"{value:.0f}/s" if value >= 10 or value == 0 else f"{value:.1f}/s"


def readable(message: str) -> str:
    """Return a message without the JSON in which a sidecar wraps it: of that, the cause alone."""
    said, found, wrapped = message.partition('{"errorCode"')
    if not found:
        return message
    try:
        cause = str(json.loads(found + wrapped).get("message") or "")
    except ValueError:
        return message
    return f"{said.rstrip(': 0123456789')}: {cause.rsplit(': ', 1)[-1]}"


_NO_READER: Mapping[str, Any] = {"name": NOT_TOLD, "lag": None, "unanswered": None, "consumers": None}


def topics(pipeline: Pipeline, now: datetime) -> tuple[Mapping[str, str], ...]:
    """Return what the broker tells of each topic and its readers: one line a reader, with its columns' names."""
    station = pipeline.station("broker")
    listed: Sequence[Mapping[str, Any]] = (station.facts.get("topics") or ()) if station else ()
    return tuple(
        {
            "Topic": topic["name"],
            "Reader": group["name"],
            "Waiting": _number(group["lag"]),
            "Not answered": _number(group["unanswered"]),
            "Readers now": _number(group["consumers"]),
            "Kept": _number(topic["messages"]),
            "Size": NOT_TOLD if topic["bytes"] is None else size(topic["bytes"]),
            "Oldest": _since(topic["oldest_at"], now),
            "Kept for": _days(topic["retention_seconds"]),
        }
        for topic in listed
        for group in topic["groups"] or (_NO_READER,)
    )


def renderers(pipeline: Pipeline) -> tuple[Mapping[str, str], ...]:
    """Return what each renderer's rows are like: one line a renderer, with its columns' names.

    None where there is only the built-in one, of which the station says it all.
    """
    rows, letters = (_by_renderer(pipeline, name) for name in ("rows", "dead-letters"))
    sources = pipeline.station("sources")
    tables: Mapping[str, Mapping[str, Any]] = (sources.facts.get("renderers") or {}) if sources else {}
    if not (rows.keys() | tables.keys()) - {BUILT_IN}:
        return ()
    return tuple(
        {
            "Renderer": name,
            "Rows": _number(one.get("rows")),
            "Waiting": _number(one.get("pending")),
            "Refused": _number(one.get("failed")),
            "Deletions": _number((one.get("deletions") or {}).get("pending")),
            "Waits longest": _longest(one),
            "Dead letters": _number(letters.get(name, {}).get("open", 0)),
            "Table": _table(name, tables),
        }
        for name in dict.fromkeys([*rows, *tables])
        for one in (rows.get(name, {}),)
    )


def _by_renderer(pipeline: Pipeline, name: str) -> Mapping[str, Mapping[str, Any]]:
    station = pipeline.station(name)
    return (station.facts.get("by_renderer") or {}) if station else {}


def _table(renderer: str, tables: Mapping[str, Mapping[str, Any]]) -> str:
    if renderer not in tables and renderer != BUILT_IN:
        return "not captured"
    return "; ".join(tables.get(renderer, {}).get("faults") or ()) or "well"


def _longest(rows: Mapping[str, Any]) -> str:
    waiting = [*(rows.get("targets") or {}).values(), rows.get("deletions") or {}]
    aged = [one for one in waiting if one.get("oldest_pending_seconds") is not None]
    if not aged:
        return ""
    oldest = max(aged, key=lambda one: one["oldest_pending_seconds"])
    row = str(oldest.get("oldest_pending_row") or "").partition("/")[2]
    return f"{row}, for {_age(oldest['oldest_pending_seconds'])}".removeprefix(", ")


def facts_text(facts: Mapping[str, Any]) -> str:
    """Return a station's figures as one line."""
    shown = ((name, value) for name, value in facts.items() if isinstance(value, str | int | float))
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown)


def _title(station: Station) -> str:
    kind, _, target = station.name.partition("-")
    if kind == "sync":
        return f"Sync to {target_label(target)}"
    if kind == "engine":
        return f"GitOps engine of {target_label(target)}"
    return station.title


def _age(seconds: float | None) -> str:
    return "" if seconds is None else duration(timedelta(seconds=seconds))


def _figures(
    station: Station, pipeline: Pipeline, samples: Sequence[Sampled]
) -> tuple[tuple[tuple[str, str], ...], Line | None]:
    facts = station.facts
    match station.name:
        case "database":
            written = rate("database.lsn", samples)
            slow = "read all rows: no pg_trgm" if facts.get("searches") == "all rows" else ""
            return (("writes", per_second(written, "B")), ("searches", slow)), _line(
                rates("database.lsn", samples), "written", lambda x: per_second(x, "B"), 4096
            )
        case "rows" if facts:
            return (
                ("rows", f"{facts.get('rows', 0):,}"),
                ("waiting", f"{facts.get('pending', 0):,}"),
                ("refused", f"{facts['failed']:,}" if facts.get("failed") else ""),
            ), _line(values("rows.pending", samples), "waiting rows", lambda x: f"{x:.0f}", 20)
        case "sources" if facts:
            tables = (facts.get("renderers") or {}).values()
            wrong = sum(bool(table.get("faults")) for table in tables)
            return (("renderers", f"{len(tables):,}"), ("not captured", f"{wrong:,}" if wrong else "")), None
        case "slot" if facts.get("present"):
            return (("lag", size(facts.get("lag_bytes"))), ("log kept", size(facts.get("retained_bytes")))), _line(
                values("slot.lag_bytes", samples), "lag of the slot", size
            )
        case "connect":
            return (("version", str(facts.get("version") or "")),), None
        case "access" if facts:
            lines = facts.get("rules")
            return (("policy", "none" if lines is None else counted(lines, "line")),), None
        case "connector" if facts:
            tasks = facts.get("tasks") or ()
            running = sum(task.get("state") == "RUNNING" for task in tasks)
            heartbeat = (pipeline.station("slot") or station).facts.get("heartbeat_seconds")
            return (
                ("tasks", f"{running} of {len(tasks)} run" if tasks else ""),
                ("last beat", _ago(heartbeat)),
            ), _line(values("connector.heartbeat_seconds", samples), "age of the last beat", _age, 15)
        case "capture" if facts:
            heartbeat = (pipeline.station("slot") or station).facts.get("heartbeat_seconds")
            return (
                ("rate", per_second(rate("capture.published", samples))),
                ("last event", _ago(facts.get("last_published_seconds"))),
                ("last beat", _ago(heartbeat)),
                ("an event waits", _age(facts.get("waiting_seconds"))),
                ("reads", "the whole table" if facts.get("snapshot") else ""),
            ), _line(rates("capture.published", samples), "events", per_second, 2)
        case "broker" if station.configured:
            return _broker(facts), _line(values("broker.lag", samples), "messages not read", lambda x: f"{x:.0f}", 20)
        case "dead-letters" if facts:
            return (
                ("open", f"{facts.get('open', 0):,}"),
                ("oldest", _age(facts.get("oldest_seconds"))),
            ), _line(values("dead-letters.open", samples), "open dead letters", lambda x: f"{x:.0f}", 10)
        case name if name.startswith("sync-") and facts:
            return _sync(name, facts, samples)
        case name if name.startswith("target-"):
            return _target(name, pipeline, samples)
        case name if name.startswith("engine-") and facts:
            return _engine(name, facts, samples)
    return (), None


def _sync(name: str, facts: Mapping[str, Any], samples: Sequence[Sampled]) -> tuple[Any, Line | None]:
    event, flight, again = facts.get("last_event") or {}, facts.get("in_flight") or {}, facts.get("retrying") or {}
    figures = (
        ("rate", per_second(rate(f"{name}.events", samples))),
        ("last lag", _between(event.get("saved_at"), event.get("captured_at"))),
        ("in delivery", f"{flight['events']:,}" if flight.get("events") else ""),
        ("tried again", f"{again['rows']:,}" if again.get("rows") else ""),
    )
    return figures, _line(rates(f"{name}.events", samples), "events", per_second, 2)


def _broker(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    topics = facts.get("topics")
    version = ("version", str(facts.get("version") or ""))
    if topics is None:
        return (version, ("waiting", NOT_TOLD), ("kept", NOT_TOLD))
    groups = [group for topic in topics for group in topic["groups"]]
    kept = _sum(topic["messages"] for topic in topics)
    space = _sum(topic["bytes"] for topic in topics)
    return (
        version,
        ("waiting", _number(_sum(group["lag"] for group in groups))),
        ("not answered", _number(_sum(group["unanswered"] for group in groups))),
        ("kept", NOT_TOLD if kept is None else f"{kept:,}{'' if space is None else f', {size(space)}'}"),
    )


def _sum(figures: Iterable[int | None]) -> int | None:
    """Return the sum, None unless all are told."""
    known = list(figures)
    return None if None in known else sum(figure for figure in known if figure is not None)


def _number(figure: int | None) -> str:
    return NOT_TOLD if figure is None else f"{figure:,}"


def _target(name: str, pipeline: Pipeline, samples: Sequence[Sampled]) -> tuple[Any, Line | None]:
    rows = pipeline.station("rows")
    waiting = ((rows.facts.get("targets") or {}) if rows else {}).get(name.removeprefix("target-")) or {}
    figures = (
        ("waiting", f"{waiting['pending']:,}" if "pending" in waiting else ""),
        ("oldest", _age(waiting.get("oldest_pending_seconds"))),
    )
    return figures, _line(values(f"{name}.pending", samples), "waiting rows", lambda x: f"{x:.0f}", 20)


def _engine(name: str, facts: Mapping[str, Any], samples: Sequence[Sampled]) -> tuple[Any, Line | None]:
    old, waiting = facts.get("stale"), f"{facts.get('pending') or 0:,}"
    if facts.get("pending_truncated"):
        waiting = f"{waiting} and more" if facts.get("pending") else "all"
    figures = (
        ("application", str(facts.get("application") or "")),
        ("sync", str(facts.get("sync") or "")),
        ("health", str(facts.get("health") or "")),
        ("since", _ago(facts.get("since_seconds"))),
        ("revision", str(facts.get("revision") or "")[:SHORT_REVISION]),
        ("waiting", waiting),
        ("refused", f"{facts['refused']:,}" if facts.get("refused") else ""),
        ("stale, told" if old else "told", _ago(facts.get("observed_seconds"))),
    )
    return figures, _line(values(f"{name}.pending", samples), "rows that wait for it", lambda x: f"{x:.0f}", 20)


def _between(start: str | None, end: str | None) -> str:
    if not start or not end:
        return ""
    return duration(datetime.fromisoformat(end) - datetime.fromisoformat(start))


def _since(moment: str | None, now: datetime) -> str:
    return NOT_TOLD if moment is None else f"{duration(now - datetime.fromisoformat(moment))} ago"


def _days(seconds: float | None) -> str:
    if seconds is None:
        return NOT_TOLD
    return f"{seconds / 86_400:.0f} d" if seconds >= 2 * 86_400 else duration(timedelta(seconds=seconds))


def _ago(seconds: float | None) -> str:
    return "" if seconds is None else f"{_age(seconds)} ago"


def _line(found: tuple[float, ...], what: str, as_text: Any, top: float = 0.0) -> Line | None:
    if len(found) < 2:
        return None
    return Line(found, f"{what} over the last minutes: now {as_text(found[-1])}, at most {as_text(max(found))}", top)
