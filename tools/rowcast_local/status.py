"""How each part is, as a table."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from rowcast_local.part import Part
from rowcast_local.platform import Platform
from rowcast_local.ports import HOST
from rowcast_local.probes import failures
from rowcast_local.supervise import ProcessState

SERVICES = ("crud", "capture")


@dataclass(frozen=True)
class PartStatus:
    """One line: the part's state in a word, for how many seconds (None: never ran), and what it waits for."""

    name: str
    state: str
    seconds: float | None
    port: int | None
    waits_for: str


def judge(part: Part, process: ProcessState | None, ready: bool, unready: set[str], now: float) -> PartStatus:
    """The part's state: `ready`, `done` (ran to its end, and is right), `starting`, or `down`."""
    if process is None:
        return PartStatus(part.name, "down", None, part.port, "./task up")
    seconds = now - process.since if process.since else None
    if ready:
        return PartStatus(part.name, "ready" if process.pid else "done", seconds, part.port, "")
    waits_for = ", ".join(name for name in part.needs if name in unready) or f"./task logs -- {part.name}"
    return PartStatus(part.name, "starting" if process.pid else "down", seconds, part.port, waits_for)


def print_status(platform: Platform) -> bool:
    """Prints the table; returns whether every part is as it should be. Raises PlatformError before the first start."""
    parts = list(platform.parts.values())
    processes = platform.supervisor.states()
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        ready = dict(zip(platform.parts, pool.map(lambda part: part.ready(), parts), strict=True))
    unready = {name for name, is_ready in ready.items() if not is_ready}
    now = time.time()
    lines = [judge(part, processes.get(part.name), ready[part.name], unready, now) for part in parts]
    console = Console(highlight=False)
    console.print(_table([_with_reason(line) for line in lines]))
    console.print(f"[dim]{' · '.join(platform.blueprint.toolbox.choices)}[/dim]")
    return all(line.state in ("ready", "done") for line in lines)


def _with_reason(line: PartStatus) -> PartStatus:
    if line.state != "starting" or not _is_ours(line.name):
        return line
    reason = failures(f"http://{HOST}:{line.port}/readyz")
    return line if not reason else PartStatus(line.name, line.state, line.seconds, line.port, reason)


def _is_ours(name: str) -> bool:
    return name in SERVICES or (name.startswith("sync-") and not name.endswith("-dapr"))


def _table(lines: list[PartStatus]) -> Table:
    table = Table()
    for heading in ("part", "state", "since", "port", "waits for"):
        table.add_column(heading, justify="right" if heading in ("since", "port") else "left")
    colours = {"ready": "green", "done": "green", "starting": "yellow", "down": "red"}
    for line in lines:
        state = f"[{colours[line.state]}]{line.state}[/]"
        table.add_row(line.name, state, _ago(line.seconds), str(line.port or ""), line.waits_for)
    return table


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
