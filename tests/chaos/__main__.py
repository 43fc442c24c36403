"""`./task chaos`: breaks a platform of its own at random, from a seed, and says whether it bore it."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from chaos import report
from chaos.arena import Arena, arena
from chaos.faults.fault import Fault
from chaos.faults.library import FAULTS
from chaos.rounds import Machine, draw
from chaos.toxiproxy import binary

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
LOGS = Path(__file__).parents[2] / ".chaos-logs"


class Broker(StrEnum):
    """What a platform's events go through."""

    kafka = "kafka"
    redis = "redis"
    rabbitmq = "rabbitmq"
    jetstream = "jetstream"


class Capture(StrEnum):
    """What brings them there."""

    connect = "connect"
    engine = "engine"


app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def run(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to go on breaking.")] = 10,
    seed: Annotated[int | None, typer.Option(help="What to break when; one is drawn and printed without it.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Changes a second, at most; some make several rows.")] = 25,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A fault's name, or its kind's, as --list has it; repeatable.")
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Print what there is to break, and end.")] = False,
    write_report: Annotated[bool, typer.Option("--report", help=f"Write {PAGE.name} from this run.")] = False,
    stop_at_first: Annotated[bool, typer.Option("--stop", help="End with the first round that went wrong.")] = False,
    broker: Annotated[Broker, typer.Option(help="What carries the events.")] = Broker.kafka,
    capture: Annotated[Capture | None, typer.Option(help="What captures; Connect by default with Kafka only.")] = None,
) -> None:
    """Break things; exit code 1 if anything was lost, stale or silent."""
    wanted = _wanted(only or [])
    if list_them:
        for fault in wanted:
            typer.echo(f"{fault.kind:18} {fault.name}")
        return
    seed = secrets.randbelow(10**6) if seed is None else seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ended from outside, it still has to end its platform
    typer.echo(f"seed {seed}: repeat with ./task chaos -- --seed {seed}")
    captures = capture or (Capture.connect if broker is Broker.kafka else Capture.engine)
    if broker is not Broker.kafka and captures is Capture.connect:
        typer.echo("error: --capture: Connect writes to Kafka only", err=True)
        raise typer.Exit(2)
    with arena(seed, rate, binary(), LOGS, {"broker": broker.value, "capture": captures.value}) as place:
        good = _run(place, wanted, seed, minutes, write_report, stop_at_first)
    if not good:
        typer.echo(f"the logs of all parts are in {LOGS.name}", err=True)
        raise typer.Exit(1)


def _run(place: Arena, wanted: list[Fault], seed: int, minutes: float, write_report: bool, stop_at_first: bool) -> bool:
    possible = [fault for fault in wanted if fault.impossible(place) is None]
    skipped = sorted({f"{fault.name}: {fault.impossible(place)}" for fault in wanted if fault not in possible})
    for line in skipped:
        typer.echo(f"skipped: {line}")
    machine = Machine(place, seed, typer.echo)
    machine.begin()
    started = time.monotonic()
    for faults in draw(possible, seed):
        if time.monotonic() - started > minutes * 60:
            break
        if not machine.play(faults).verdict.good and stop_at_first:
            break
    typer.echo("\n".join(["", *report.summary(machine.rounds, place)]))
    if write_report:
        title = report.TITLES[place.platform.broker, place.platform.capture]
        section = report.section(machine.rounds, place, seed, time.monotonic() - started, skipped)
        PAGE.write_text(report.page(PAGE.read_text(), title, section))
        typer.echo(f"written: {PAGE}")
    return all(one.verdict.good for one in machine.rounds)


def _wanted(only: list[str]) -> list[Fault]:
    if unknown := sorted(name for name in only if not any(name in (f.name, f.kind) for f in FAULTS.values())):
        typer.echo(f"error: --only: no fault or kind {', '.join(map(repr, unknown))}; see --list", err=True)
        raise typer.Exit(2)
    return [fault for fault in FAULTS.values() if not only or fault.name in only or fault.kind in only]


app(prog_name="./task chaos --")
