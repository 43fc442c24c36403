"""A roll-out of all rows of a table, three objects each, beside the bare limit of the same applies."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import bare
from bench.renderers import DECLARATION, NAMESPACE, RowsWay, objects
from bench.watching import Cluster
from rowcast_local.platform import Platform
from world import World, done

CHANGED = DECLARATION.replace("url: https://", "url: http://")
DELIVERED = """
SELECT count(*) FROM rowcast.rows AS row JOIN rowcast.statuses AS status USING (renderer, key)
WHERE renderer = 'bench' AND observed_generation = row.generation
"""


def measure(platform: Platform, rows: int, rounds: int, say: Callable[[str], None]) -> None:
    """Rows per second from its start until it is done, to one revision and back, in turns with the bare applies."""
    world, way = World(platform.env()), RowsWay(platform)
    way.begin()
    world.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}-bare}}")
    with world.sql() as cursor:
        cursor.execute("INSERT INTO bench_rows SELECT n, 'row-' || n, 'x' FROM generate_series(1, %s) AS n", (rows,))
    _wait(lambda: _delivered(world) == 2 * rows)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.yaml"
        file.write_text(CHANGED)
        world.rowcast("renderer", "apply", "--no-assign", str(file))
    cluster = Cluster.of(platform.env()["KUBECONFIG"])
    bare.applies(cluster, f"{NAMESPACE}-bare", rows, 1, objects)
    rates, limits = [], []
    for number in range(rounds):
        limits.append(bare.applies(cluster, f"{NAMESPACE}-bare", rows, number + 2, objects))
        rates.append(rows / _rolled_out(world, 2 - number % 2))
    ratio = median(rate / limit for rate, limit in zip(rates, limits, strict=True))
    say(
        f"roll-out of {rows:,} rows, three objects each, to both targets, rows/s: {_spread(rates)};"
        f" bare limit of the applies {_spread(limits)}, of it {ratio:.0%}"
    )


def _rolled_out(world: World, revision: int) -> float:
    """Seconds until every row is at that revision, delivered and ready at both targets."""
    with world.api() as api:
        started = time.perf_counter()
        made = done(api.post("/renderers/bench/rollouts", json={"revision": revision}))
        path = f"/renderers/bench/rollouts/{made['id']}"
        _wait(lambda: done(api.get(path))["state"] in ("done", "stopped"))
        took = time.perf_counter() - started
        if (ended := done(api.get(path)))["state"] != "done":
            raise AssertionError(ended["why"])
    return took


def _delivered(world: World) -> int:
    with world.sql() as cursor:
        cursor.execute(DELIVERED)
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def _wait(condition: Callable[[], bool], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s")
        time.sleep(0.1)


def _spread(values: list[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
