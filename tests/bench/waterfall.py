"""Where a single change spends its time: each stretch between two moments that are known of it, by target."""

from __future__ import annotations

import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median, quantiles

import orjson
from kafka import KafkaConsumer, TopicPartition

from bench.topic import CHANGES
from bench.way import TARGETS, Way
from collector import Collector, Span
from rowcast_local.platform import Platform

TRACED = ("crud", "sync-k8s", "sync-git")
"""Parts that send spans. Sidecars would send theirs too, which nothing here reads."""
STRETCHES = (
    "COMMIT sent → committed",
    "committed → captured by Debezium",
    "captured → published",
    "published → received by sync",
    "received → rendered",
    "rendered → delivered",
    "delivered → status recorded",
)
STEPS = {"k8s": "apply", "git": "commit"}
"""The span of the delivery itself, by target."""
TOLD_SECONDS = 60.0
"""How long the last changes' spans may take to come."""
POLL_MS = 5
BAR = 40
"""Characters that the whole way is long."""
NANO = 1e9

Key = tuple[int, int]
"""Row id and generation."""
Moments = Sequence[float]
"""Of one change at one target, in seconds since the epoch, in their order: COMMIT sent, and the end of each stretch."""


class Published:
    """When the broker had each change, as a bare reader of the topic sees it, and when Debezium's producer took it."""

    def __init__(self) -> None:
        self.captured: dict[Key, float] = {}
        self.published: dict[Key, float] = {}

    def note(self, value: bytes, timestamp: int, now: float) -> None:
        """One record; `timestamp` is the producer's, in ms."""
        event = orjson.loads(value)
        row = (event.get("data") or {}).get("after") or {}
        if row.get("renderer") == "appconfigs":
            key = (int(row["key"]), int(row["generation"]))
            self.captured.setdefault(key, timestamp / 1000)
            self.published.setdefault(key, now)


@contextmanager
def reading(bootstrap: str) -> Iterator[Published]:
    """Read what comes to the topic from now on, by a thread of its own, in no group."""
    found, ready, stop = Published(), threading.Event(), threading.Event()
    thread = threading.Thread(target=_read, args=(bootstrap, found, ready, stop))
    thread.start()
    try:
        if not ready.wait(30):
            raise TimeoutError(f"{CHANGES} can't be read")
        yield found
    finally:
        stop.set()
        thread.join()


def _read(bootstrap: str, found: Published, ready: threading.Event, stop: threading.Event) -> None:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest")
    try:
        parts = [TopicPartition(CHANGES, number) for number in consumer.partitions_for_topic(CHANGES) or ()]
        consumer.assign(parts)
        consumer.seek_to_end(*parts)
        for part in parts:
            consumer.position(part)  # else the place to begin at is looked up at the first poll
        ready.set()
        while not stop.is_set():
            for records in consumer.poll(timeout_ms=POLL_MS).values():
                now = time.time()
                for record in records:
                    found.note(record.value, record.timestamp, now)
    finally:
        consumer.close()


class WaterfallWay(Way):
    """Follows single changes by their traces."""

    def follow(
        self, collector: Collector, changes: int, per_second: float, say: Callable[[str], None]
    ) -> dict[str, list[Moments]]:
        """Change one row after the other at a steady rate; by target, the moments of changes that are known whole."""
        ids = self._rows("waterfall", 50)
        traces: dict[Key, str] = {}
        sent: dict[Key, float] = {}
        with reading(self._env["ROWCAST_KAFKA"]) as published, self._database() as cursor:
            started = time.perf_counter()
            for number in range(changes):
                time.sleep(max(0.0, started + number / per_second - time.perf_counter()))
                row, trace = ids[number % len(ids)], secrets.token_hex(16)
                cursor.execute("BEGIN")
                # As crud does it: whoever reads the change's event goes on with this trace.
                cursor.execute(
                    "SELECT set_config('rowcast.traceparent', %s, true)", (f"00-{trace}-{secrets.token_hex(8)}-01",)
                )
                generation = self._change_one(cursor, row, f"w{number}")
                traces[row, generation], sent[row, generation] = trace, time.time()
                cursor.execute("COMMIT")
                if (number + 1) % 100 == 0:
                    say(f"{number + 1} of {changes} changes")
            return self._told(collector, traces, sent, published)

    def _told(
        self, collector: Collector, traces: Mapping[Key, str], sent: Mapping[Key, float], published: Published
    ) -> dict[str, list[Moments]]:
        deadline = time.monotonic() + TOLD_SECONDS
        while True:
            spans = _by_trace(collector)
            found = {
                target: [
                    moments
                    for key, trace in traces.items()
                    if (moments := _moments(target, spans[trace], key, sent[key], published))
                ]
                for target in TARGETS
            }
            if all(len(its) == len(sent) for its in found.values()) or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


def _by_trace(collector: Collector) -> defaultdict[str, list[Span]]:
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for span in tuple(collector.spans):
        found[span.trace_id].append(span)
    return found


def _moments(target: str, spans: Sequence[Span], key: Key, sent: float, published: Published) -> Moments | None:
    """None where one of them is not known, as of a change that was not delivered by itself."""
    captured = _one(spans, "capture", target)
    delivery = _one(spans, f"deliver to {target}", target)
    if captured is None or delivery is None or key not in published.captured:
        return None
    below = {span.name: span for span in spans if span.parent_id == delivery.span_id}
    if not {"render", STEPS[target], "record status"} <= below.keys():
        return None
    known = (
        sent,
        captured.start / NANO,
        published.captured[key],
        published.published[key],
        delivery.start / NANO,
        below["render"].end / NANO,
        below[STEPS[target]].end / NANO,
        below["record status"].end / NANO,
    )
    # Debezium and Kafka tell whole milliseconds, which may lie before what came before them.
    moments = [known[0]]
    for moment in known[1:]:
        moments.append(max(moment, moments[-1]))
    return moments


def _one(spans: Sequence[Span], name: str, target: str) -> Span | None:
    its = (span for span in spans if span.name == name and span.attributes.get("rowcast.target") == target)
    return min(its, key=lambda span: span.start, default=None)


def measure(
    platform: Platform, collector: Collector, changes: int, per_second: float, say: Callable[[str], None]
) -> Iterator[str]:
    """A waterfall for each target, by lines, and what there is to say about it."""
    for target, its in WaterfallWay(platform).follow(collector, changes, per_second, say).items():
        yield from waterfall(f"{target}, {len(its)} of {changes} changes known whole", its)
        yield ""
    yield "committed, captured: to the millisecond, as Debezium and Kafka tell them; committed by the database's clock"
    yield "published: when a reader of the topic that does nothing else has it; it is one more reader for the broker"


def waterfall(title: str, its: Sequence[Moments]) -> Iterator[str]:
    """The median and the p99 of each stretch in ms; each bar begins where the stretches before it end, by medians."""
    if len(its) < 2:
        yield f"{title}: too few to tell"
        return
    took = [[(one[n + 1] - one[n]) * 1000 for one in its] for n in range(len(STRETCHES))]
    whole = [(one[-1] - one[0]) * 1000 for one in its]
    middles = [median(values) for values in took]
    width = max(map(len, STRETCHES))
    scale = BAR / (sum(middles) or 1)
    yield f"{title:<{width}}     p50     p99"
    for number, (name, values) in enumerate(zip(STRETCHES, took, strict=True)):
        before, after = (round(sum(middles[:end]) * scale) for end in (number, number + 1))
        bar = " " * before + ("█" * (after - before) or "▏")
        yield f"{name:<{width}} {middles[number]:>7.1f} {_p99(values):>7.1f}  {bar}"
    yield f"{'all of it':<{width}} {median(whole):>7.1f} {_p99(whole):>7.1f}"


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]
