"""How fast capture publishes a backlog, beside what its publisher reaches without Debezium: same run, same sidecar."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from integration.capture.place import CHANGES, Place
from rowcast.capture.events import Event
from rowcast.capture.publisher import Publisher
from rowcast.capture.sidecar import CaptureSidecar
from rowcast.runtime.settings import Settings
from world import wait_until


async def bare(port: int, body: dict[str, object], count: int, lanes: int) -> None:
    """So many events through the sidecar, as capture sends them."""
    sidecar = CaptureSidecar(Settings.model_validate({"dapr_http_port": port}))
    sidecar.open()
    publisher = Publisher(sidecar, lanes, (), "rowcast.dead-letters")
    try:
        await publisher.publish(
            [Event(CHANGES, str(n), f"bare-{n}", orjson.dumps({**body, "id": f"bare-{n}"})) for n in range(count)]
        )
    finally:
        await sidecar.aclose()


def rate(place: Place, count: int) -> float:
    """Events a second, by the broker's own clock; the stream is emptied."""
    wait_until(lambda: place.redis.xlen(CHANGES) >= count, place.capture.text)
    first, last = (
        int(edge[0][0].partition(b"-")[0])
        for edge in (place.redis.xrange(CHANGES, count=1), place.redis.xrevrange(CHANGES, count=1))
    )
    place.redis.xtrim(CHANGES, maxlen=0, approximate=False)
    return count / ((last - first) / 1000)


def measure(rows: int, rounds: int, lanes: int) -> None:
    """Print the figures."""
    place = Place(Path(tempfile.mkdtemp(prefix="rowcast-capture-")), {"ROWCAST_CAPTURE_LANES": str(lanes)})
    figures: dict[str, list[float]] = {"one lane, bare": [], "bare": [], "capture": []}
    try:
        place.prepare()
        place.start()
        place.insert("first-", 1)
        wait_until(lambda: place.redis.xlen(CHANGES) == 1, place.capture.text)
        body = place.arrived()[0]
        place.redis.xtrim(CHANGES, maxlen=0, approximate=False)
        for number in range(rounds):
            for name, at_once in (("one lane, bare", 1), ("bare", lanes)):
                command = (
                    sys.executable,
                    "-m",
                    "bench.capture_bare",
                    str(place.sidecar_ports["http"]),
                    str(rows),
                    str(at_once),
                )
                subprocess.run(command, input=json.dumps(body), text=True, check=True)
                figures[name].append(rate(place, rows))
            place.insert(f"round-{number}-", rows)
            figures["capture"].append(rate(place, rows))
    finally:
        place.end()
    for name, rates in figures.items():
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        print(f"{name}: {statistics.median(rates):.0f} events/s ({spread}, n={len(rates)} rounds of {rows})")
    ratios = [ours / theirs for ours, theirs in zip(figures["capture"], figures["bare"], strict=True)]
    print(
        f"capture / bare with {lanes} lanes: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )
    ratios = [ours / theirs for ours, theirs in zip(figures["capture"], figures["one lane, bare"], strict=True)]
    print(f"capture / bare one by one: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
