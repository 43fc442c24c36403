"""`./task bench`: what ran, on what, how often, the spread, and the bare limit of the same run."""

from __future__ import annotations

import logging
import platform as machine
import signal
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import structlog
import typer

from bench.way import Drain, Latency, Way
from brokers import PLATFORMS
from collector import collecting, tracing_to
from rowcast.core.layout import DEFAULT_PATH
from rowcast_local.platform import Platform

LEAST_MS = 0.02

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    changes: Annotated[int, typer.Option(help="Changes of the latency run.")] = 600,
    per_second: Annotated[float, typer.Option(help="Their rate.")] = 10,
    rows: Annotated[int, typer.Option(help="Rows of the backlog.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often the backlog is drained.")] = 3,
    subscription: Annotated[str, typer.Option(help="bulk or single: how the sidecar hands events over.")] = "bulk",
    batch_size: Annotated[int, typer.Option(help="Most events in a bulk.")] = 1000,
    batch_wait_ms: Annotated[int, typer.Option(help="How long the sidecar gathers a bulk, in ms.")] = 10,
) -> None:
    """Measure a platform of its own, started in a temporary folder on free ports."""
    if context.invoked_subcommand:
        return
    subscribe = {
        "ROWCAST_SUBSCRIPTION": subscription,
        "ROWCAST_BATCH_SIZE": str(batch_size),
        "ROWCAST_BATCH_WAIT_MS": str(batch_wait_ms),
    }
    with _platform(subscribe) as platform:
        print(f"subscription: {subscription}, at most {batch_size} events, gathered for {batch_wait_ms} ms\n")
        way = Way(platform)
        if changes:
            _print_latency(way.latency(changes, per_second), per_second)
        if rounds:
            way.prepare_limits(rows)
            _print_drains([drain for number in range(rounds) for drain in way.backlog(rows, generation=number + 2)])


@app.command()
def capture(
    rows: Annotated[int, typer.Option(help="Rows of the backlog.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often it is published.")] = 5,
    lanes: Annotated[int, typer.Option(help="Most events on their way at once.")] = 8,
) -> None:
    """Measure `rowcast capture` on Redis beside its publisher alone."""
    from bench.capture import measure

    measure(rows, rounds, lanes)


@app.command()
def dashboard(
    rows: Annotated[int, typer.Option(help="Rows in the table.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each is tried.")] = 10,
) -> None:
    """Measure what a person waits for, in a real browser."""
    from bench.browser import measure

    with _platform({}) as platform:
        print(f"\nthe dashboard with {rows:,} rows, as Chromium sees it")
        for waits in measure(platform, rows, rounds):
            print(waits.line())
        print(f"  {_load()}")


@app.command()
def git(
    existing: Annotated[list[int] | None, typer.Option(help="Files there are; may be repeated.")] = None,
    size: Annotated[list[int] | None, typer.Option(help="Rows of a batch; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(help="How often each is measured.")] = 3,
) -> None:
    """Measure the writer of Git alone, beside git's own commands and the bare limit; about five minutes."""
    from bench.git import HEAD, measure

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    _print_machine()
    print(f"n = {rounds}; median (min to max)\n\n{HEAD}", flush=True)
    with tempfile.TemporaryDirectory(prefix="rowcast-bench-") as folder:
        for figures in measure(Path(folder), existing or [0, 10_000, 100_000], size or [1, 10, 100, 1_000], rounds):
            print(figures.line(), flush=True)
    print(f"\n{_load()}")


@app.command()
def folders(
    files: Annotated[int, typer.Option(min=1_000, help="Files that the branch has.")] = 300_000,
    rounds: Annotated[int, typer.Option(help="How often each is measured.")] = 3,
) -> None:
    """Measure commits to a branch with very many files, by their paths; some ten minutes."""
    from bench.folders import measure

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _print_machine()
    with tempfile.TemporaryDirectory(prefix="rowcast-bench-") as folder:
        for line in measure(Path(folder), files, rounds, partial(print, file=sys.stderr, flush=True)):
            print(line)
    print(f"\n{_load()}")


@app.command()
def renderers(
    rows: Annotated[int, typer.Option(help="Rows of the backlog, and of what is written.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each is measured.")] = 3,
    changes: Annotated[int, typer.Option(help="Changes of the latency run.")] = 300,
    per_second: Annotated[float, typer.Option(help="Their rate.")] = 10,
) -> None:
    """Measure rows of another table, three objects each, beside the bare limits; some ten minutes."""
    from bench.renderers import measure

    with _platform({}) as platform:
        print(f"n = {rounds} (single rows: {rounds * 100}); median (min to max)\n", flush=True)
        _print_latency(measure(platform, rows, rounds, changes, per_second, partial(print, flush=True)), per_second)
        print(_load())


@app.command()
def impact(
    rows: Annotated[int, typer.Option(help="Rows of the table.")] = 100_000,
    rounds: Annotated[int, typer.Option(help="How often each is measured.")] = 3,
) -> None:
    """Measure what a changed declaration would do to all rows, seen before it is applied; some two minutes."""
    from bench.impact import measure

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _print_machine()
    print(f"n = {rounds}; median (min to max)\n", flush=True)
    measure(rows, rounds, partial(print, flush=True))
    print(_load())


@app.command(name="rows")
def many_rows(
    rows: Annotated[int, typer.Option(help="Configurations, and as many rows of another table.")] = 1_000_000,
) -> None:
    """Measure what crud asks of a database with very many rows, and what sync keeps of each; a million: ten minutes."""
    from bench.many import measure

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    _print_machine()
    measure(rows, partial(print, flush=True))
    print(_load())


@app.command()
def rollout(
    rows: Annotated[int, typer.Option(help="Rows of the table.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often they are rolled out, to one revision and back.")] = 3,
) -> None:
    """Measure a roll-out of a table in one step, three objects a row, beside the bare limit; some ten minutes."""
    from bench.rollout import measure

    with _platform({}) as platform:
        print(f"n = {rounds}; median (min to max)\n", flush=True)
        measure(platform, rows, rounds, partial(print, flush=True))
        print(_load())


@app.command()
def drain(
    rows: Annotated[int, typer.Option(help="Rows of the backlog.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each number of instances drains it, in turns.")] = 3,
    instances: Annotated[
        list[int] | None, typer.Option(help="Instances of sync-k8s; may be repeated. 1, 2 and 4 without it.")
    ] = None,
) -> None:
    """Measure a backlog that 1, 2 and 4 instances of sync-k8s drain, beside the bare limit; some fifteen minutes."""
    from bench.drain import measure

    counts = instances or [1, 2, 4]
    if min(counts) < 1 or rows < 1 or rounds < 1:
        raise typer.BadParameter("--instances, --rows, --rounds: each has to be 1 or more")
    with _platform({}) as platform:
        print(f"n = {rounds}, {rows:,} rows each; median (min to max)\n", flush=True)
        for line in measure(platform, rows, rounds, list(dict.fromkeys(counts)), partial(print, file=sys.stderr)):
            print(line)
        print(f"\n{_load()}")


@app.command()
def waterfall(
    changes: Annotated[int, typer.Option(min=2, help="Changes of single rows.")] = 200,
    per_second: Annotated[float, typer.Option(min=0.1, help="Their rate.")] = 10,
) -> None:
    """Measure where a single change spends its time, from COMMIT to its recorded status; some two minutes."""
    from bench.waterfall import TRACED, measure

    with collecting() as collector, _platform({}, parts=tracing_to(collector.url, TRACED)) as platform:
        print(f"{changes} changes, {per_second:g}/s, in ms\n", flush=True)
        for line in measure(platform, collector, changes, per_second, partial(print, file=sys.stderr)):
            print(line)
        print(_load())


@app.command()
def million(
    rows: Annotated[int, typer.Option(min=100, help="Rows of app_configs; all of them go to Git.")] = 1_000_000,
    k8s: Annotated[
        int | None,
        typer.Option(
            "--k8s", min=0, help="Of these, rows that go to Kubernetes, too; a fifth without it, none with 0."
        ),
    ] = None,
    filled: Annotated[
        int, typer.Option(min=0, help="Of these, rows whose files the branch has before sync begins; the first ones.")
    ] = 0,
    path: Annotated[str, typer.Option(help="The template of files' paths in Git.")] = DEFAULT_PATH,
) -> None:
    """Measure a whole platform with very many rows, from the first snapshot to a reconcile; hours at a million."""
    from bench.million import WITHOUT, Size, measure, settings

    delivered = rows // 5 if k8s is None else k8s
    if delivered > rows:
        raise typer.BadParameter(f"--k8s {k8s}: not more than --rows, which is {rows}")
    if filled >= rows:
        raise typer.BadParameter(f"--filled {filled}: less than --rows, which is {rows}")
    size = Size(rows, delivered, filled, path)
    with _platform({}, parts=settings(size), without=WITHOUT) as platform:
        for line in measure(platform, size, partial(print, file=sys.stderr, flush=True)):
            print(line, flush=True)
        print(f"\n{_load()}")


@contextmanager
def _platform(
    settings: Mapping[str, str],
    gitops: str = "",
    *,
    parts: Mapping[str, Mapping[str, str]] | None = None,
    without: Collection[str] = (),
) -> Iterator[Platform]:
    """A running platform; `settings` are both syncs', `parts` adds those of single parts, by name."""
    _print_machine()
    _end_with_signal()
    # A periodic run would fall into the measurement.
    settled = {sync: {**settings, "ROWCAST_RECONCILE_SECONDS": "0"} for sync in ("sync-k8s", "sync-git")}
    for part, own in (parts or {}).items():
        settled[part] = {**settled.get(part, {}), **own}
    with tempfile.TemporaryDirectory(prefix="rowcast-bench-") as folder:
        checkout = Path(__file__).parents[2]
        platform = Platform(
            Path(folder), checkout=checkout, free_ports=True, settings=settled, gitops=gitops, without=without
        )
        try:
            platform.start()
            platform.wait_ready()
            yield platform
        finally:
            platform.destroy()


@app.command()
def gitops(changes: Annotated[int, typer.Option(help="Changes of one row, one after the other.")] = 40) -> None:
    """Measure from a pushed commit to what Argo CD, and then Flux, have applied; their own polls are set to an hour."""
    from bench.gitops import measure

    print("\nin seconds                             n     p50      p99      min to max")
    for engine in ("argocd", "flux"):
        with _platform({}, gitops=engine) as platform:
            for waits in measure(platform, changes):
                print(waits.line())
            print(f"  {_load()}")


@app.command(name="brokers")
def by_broker(
    platforms: Annotated[
        list[str] | None, typer.Option("--platform", help=f"One of {', '.join(PLATFORMS)}; may be repeated.")
    ] = None,
    changes: Annotated[int, typer.Option(help="Changes of a latency run.")] = 300,
    per_second: Annotated[float, typer.Option(help="Their rate.")] = 10,
    rows: Annotated[int, typer.Option(help="New rows of the backlog.")] = 10_000,
    rounds: Annotated[int, typer.Option(help="How often each is measured, in turns.")] = 3,
) -> None:
    """Measure the same on every broker, in turns; some 45 minutes. The ratios are to the first, Kafka with Connect."""
    from bench.by_broker import Size, measure

    if unknown := sorted(set(platforms or ()) - PLATFORMS.keys()):
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(PLATFORMS)}")
    _end_with_signal()
    _print_machine()
    print(f"n = {rounds}, each a new platform; {changes} changes at {per_second:g}/s; median (min to max)\n")
    size = Size(changes, per_second, rows)
    checkout = Path(__file__).parents[2]
    for line in measure(platforms or [*PLATFORMS], rounds, size, checkout, partial(print, file=sys.stderr)):
        print(line)
    print(f"\n{_load()}")


def _end_with_signal() -> None:
    """Ended from outside, it still has to end its platform."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def _print_machine() -> None:
    print(
        f"on {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"{machine.system()} {machine.release()}, Python {machine.python_version()}, every part on this machine"
    )


def _load() -> str:
    load = ", ".join(f"{value:.1f}" for value in psutil.getloadavg())
    return f"load of the machine meanwhile (1, 5, 15 min): {load}"


def _print_latency(latencies: list[Latency], per_second: float) -> None:
    print(f"latency, COMMIT sent to change visible, {per_second:g} changes/s, in ms")
    print("  target   n     lost  p50    p95    p99    max")
    for one in latencies:
        print(
            f"  {one.target:<8} {one.samples:<5} {one.lost:<5} "
            f"{one.p50:<6.0f} {one.p95:<6.0f} {one.p99:<6.0f} {one.worst:.0f}"
        )
    print(flush=True)


def _print_drains(drains: list[Drain]) -> None:
    print("backlog, one change a row, in rows/s: median (min to max)")
    print("  target   rows    rounds  rowcast                 bare limit              of it    sync's memory, MB")
    for target in ("k8s", "git"):
        own = [drain for drain in drains if drain.target == target]
        ratios = median(drain.rate / drain.limit for drain in own)
        memory = " ".join(f"{drain.memory:.0f}" for drain in own)
        print(
            f"  {target:<8} {own[0].rows:<7} {len(own):<7} {_spread([d.rate for d in own]):<23} "
            f"{_spread([d.limit for d in own]):<23} {ratios:<8.0%} {memory}"
        )
        _print_processor(own)
    print("\nbare limits: k8s = server-side applies by aiohttp, 32 in flight; git = the same files by git fast-import")


def _print_processor(drains: list[Drain]) -> None:
    """What a row takes of one core, by part; what is too little to be seen is only in the sum."""
    parts = {part: median(drain.processor.get(part, 0.0) for drain in drains) for part in drains[0].processor}
    most = sorted((taken, part) for part, taken in parts.items() if taken >= LEAST_MS)[::-1]
    whole = median(sum(drain.processor.values()) for drain in drains)
    print(f"           of one core, ms a row: {whole:.2f}; " + ", ".join(f"{part} {taken:.2f}" for taken, part in most))


def _spread(values: list[float]) -> str:
    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


if __name__ == "__main__":
    app()
