"""What a declaration would do to all rows, seen by `rowcast renderer impact`, beside rendering alone."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psycopg2

import database_server
from bench.memory import held
from bench.renderers import DECLARATION, TABLES, renders
from integration.crud.serving import make_settings
from rowcast.crud.migrations.migrate import migrate

CHANGED = DECLARATION.replace("id: ${string(row.id)}", "number: ${string(row.id)}")
COMMAND = (str(Path(sys.executable).with_name("rowcast")), "renderer")


def measure(rows: int, rounds: int, say: Callable[[str], None]) -> None:
    """Time and memory of a tenth of the rows and of all, three manifests each; one group of each row's changes."""
    alone = median(renders(min(rows, 10_000), rounds))
    say(f"rendering alone, one thread: {alone:,.0f} rows/s of three manifests")
    with database_server.serving(database_server.binaries()) as server, tempfile.TemporaryDirectory() as folder:
        url = f"{server}/postgres"
        migrate(make_settings(url))
        environment = {**os.environ, "ROWCAST_DATABASE_URL": url}
        _run(url, TABLES)
        file = Path(folder) / "bench.yaml"
        for count in (rows // 10, rows):
            _run(
                url,
                "INSERT INTO bench_rows SELECT n, 'service-' || n, 'v' || n"
                f" FROM generate_series((SELECT count(*) + 1 FROM bench_rows), {count}) AS n",
            )
            file.write_text(DECLARATION)
            subprocess.run([*COMMAND, "apply", str(file)], env=environment, check=True, capture_output=True)
            file.write_text(CHANGED)
            times, processors, peaks = zip(*(_seen(file, environment, count) for _ in range(rounds)), strict=True)
            ratio = median(processors) / (count / alone)
            say(
                f"impact on {count:,} rows: {median(times):.1f} s ({min(times):.1f} to {max(times):.1f}),"
                f" {count / median(times):,.0f} rows/s; {median(processors):.1f} s of processors, with the start of all"
                f" its processes, {ratio:.1f} x rendering the rows once;"
                f" {max(peaks) / 2**20:,.0f} MiB at most in all its processes"
            )


def _run(url: str, statement: str) -> None:
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def _seen(file: Path, environment: dict[str, str], rows: int) -> tuple[float, float, int]:
    """Seconds with the command's own start, those of processors, and the most bytes that its processes held at once."""
    started, used = time.perf_counter(), _processors()
    command = [*COMMAND, "impact", str(file), "-o", "json"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as running:
        peak = 0
        while running.poll() is None:
            peak = max(peak, held([running.pid]))
            time.sleep(0.1)
        took = time.perf_counter() - started
        output = running.stdout.read() if running.stdout is not None else b""
    seen = json.loads(output)
    if (seen["rows"], seen["changed_rows"], len(seen["groups"])) != (rows, rows, 2):
        raise AssertionError(f"it saw something else: {output[:500]!r}")
    return took, _processors() - used, peak


def _processors() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
