"""What a run came to, as the page `docs/reliability.md`."""

from __future__ import annotations

import platform as machine
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median

import psutil

from chaos.arena import Arena
from chaos.rounds import Round

TITLES = {
    ("kafka", "connect"): "Kafka, with Connect",
    ("kafka", "engine"): "Kafka, with the engine",
    ("redis", "engine"): "Redis Streams",
    ("rabbitmq", "engine"): "RabbitMQ",
    ("jetstream", "engine"): "NATS JetStream",
}
"""The page's sections in their order, by broker and capture."""

HEAD = """# What faults do to Rowcast

Written by `./task chaos -- --report` from a run on each broker; nothing here is by hand. How it works, and
how to run it: [Break it yourself](how-to/break-it-yourself.md).

*Lost*: rows that were not the same in table, cluster and repository, or whose status did not say so, two
minutes after everything was healed; the periodic reconcile was off, so that nothing else could mend it.
(Where an admission policy had denied rows, a reconcile was asked for: those rows had been told as failed.)
*Stale*: versions seen by a watch of the cluster, or in a commit, whose generation was below one that had
been there, and deleted rows that came back. A round with two faults counts for both."""

HEADINGS = ("fault", "rounds", "changes", "lost", "stale", "equal after, s: p50", "max")


def summary(rounds: Sequence[Round], arena: Arena) -> list[str]:
    """The whole run in a few lines."""
    times = [one.verdict.seconds for one in rounds if one.verdict.seconds is not None]
    lost, stale = sum(map(_lost, rounds)), sum(map(_stale, rounds))
    resurrected = sum(len(one.verdict.resurrected) for one in rounds)
    letters = sum(len(one.verdict.letters) for one in rounds)
    watched, committed = arena.watched, arena.committed
    return [
        f"{len(rounds)} rounds, {arena.load.done.total()} changes made ({arena.load.refused.total()} requests refused,"
        " since what they asked was broken)",
        f"{sum(one.ledger.sightings for one in watched)} versions of objects watched"
        f" ({sum(one.gaps for one in watched)} gaps),"
        f" {sum(one.ledger.sightings for one in committed)} versions of files in"
        f" {sum(one.commits for one in committed)} commits read",
        f"lost: {lost}, stale overwrites: {stale}, resurrected: {resurrected},"
        f" dead letters other than poison: {letters}",
        f"equal after: p50 {median(times or [0]):.1f} s, max {max(times, default=0):.1f} s",
    ]


def table(rounds: Sequence[Round]) -> list[tuple[str, ...]]:
    """A row for each fault; a round with two faults counts for both."""
    names = sorted({name for one in rounds for name in one.faults})
    return [_row(name, [one for one in rounds if name in one.faults]) for name in names]


def _row(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    times = [one.verdict.seconds for one in rounds if one.verdict.seconds is not None]
    spread = (f"{median(times):.1f}", f"{max(times):.1f}") if times else ("never", "never")
    counts = (len(rounds), sum(one.changes for one in rounds), sum(map(_lost, rounds)), sum(map(_stale, rounds)))
    return (name, *map(str, counts), *spread)


def _lost(one: Round) -> int:
    return len(one.verdict.lost)


def _stale(one: Round) -> int:
    return len(one.verdict.stale) + len(one.verdict.resurrected)


def _version(choice: str) -> str:
    """Without where it is on this machine."""
    return choice.partition(" (")[0]


def section(rounds: Sequence[Round], arena: Arena, seed: int, seconds: float, skipped: Iterable[str]) -> str:
    """What one run came to, in Markdown."""
    ran = f"{datetime.now(UTC):%Y-%m-%d}, {seconds / 60:.0f} minutes, seed {seed}"
    kernel = ".".join(machine.release().split(".")[:2])
    on = (
        f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {machine.system()}"
        f" {kernel}, Python {machine.python_version()}, every part on this one machine"
    )
    lines = [
        f"**Run**: {ran}. **Machine**: {on}.",
        f"**Versions**: {', '.join(map(_version, arena.platform.blueprint.toolbox.choices))}.",
        "",
        *(f"- {line}" for line in summary(rounds, arena)),
        *(f"- not done here: {line}" for line in skipped),
        "",
        f"| {' | '.join(HEADINGS)} |",
        f"|---{'|---:' * (len(HEADINGS) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in table(rounds)),
    ]
    return "\n".join(lines)


def page(before: str, title: str, section: str) -> str:
    """The page `before` with this section in the place of that of the same title; the others stay as they are."""
    _, *told = before.split("\n## ")
    sections = {name: text.strip() for name, _, text in (one.partition("\n") for one in told)} | {title: section}
    known = [name for name in TITLES.values() if name in sections]
    return "\n\n".join([HEAD, *(f"## {name}\n\n{sections[name]}" for name in known)]) + "\n"
