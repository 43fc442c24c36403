"""What is happening, for how long, and how long it took last time: live on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

PLAIN_INTERVAL_SECONDS = 15.0
LIVE_REFRESHES_PER_SECOND = 8


@dataclass
class _Task:
    started: float
    last_seconds: float | None
    note: str = ""


@dataclass
class Progress:
    """Shows tasks that run side by side; safe to call from several threads. Times are seconds."""

    console: Console = field(default_factory=lambda: Console(file=sys.stderr, highlight=False))

    def __post_init__(self) -> None:
        self._tasks: dict[str, _Task] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._live: Live | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self._table,
                console=self.console,
                transient=True,
                refresh_per_second=LIVE_REFRESHES_PER_SECOND,
            )
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._repeat_plain, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._stop.set()
        if self._live is not None:
            self._live.stop()
        if self._thread is not None:
            self._thread.join()

    def start(self, name: str, last_seconds: float | None = None) -> None:
        """`name` is under way."""
        with self._lock:
            self._tasks[name] = _Task(time.monotonic(), last_seconds)
        if self._live is None and last_seconds is not None:
            self.say(f"  … {name} (last time {last_seconds:.0f} s)")

    def note(self, name: str, text: str) -> None:
        """Says what `name` is at."""
        with self._lock:
            if name in self._tasks:
                self._tasks[name].note = text

    def finish(self, name: str, outcome: str = "") -> None:
        """`name` is done; `outcome` is one word or two on how."""
        with self._lock:
            task = self._tasks.pop(name, None)
        seconds = time.monotonic() - task.started if task else 0.0
        self.say(f"  [green]✓[/green] {name} [dim]{seconds:.1f} s{' · ' + outcome if outcome else ''}[/dim]")

    def fail(self, name: str) -> None:
        """`name` failed."""
        with self._lock:
            self._tasks.pop(name, None)
        self.say(f"  [red]✗[/red] {name}")

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        with self._lock:
            for name, task in self._tasks.items():
                table.add_row(Spinner("dots", style="cyan"), name, _clock(task), f"[dim]{task.note}[/dim]")
        return table

    def _repeat_plain(self) -> None:
        while not self._stop.wait(PLAIN_INTERVAL_SECONDS):
            with self._lock:
                lines = [f"  … {name} {_clock(task)} {task.note}".rstrip() for name, task in self._tasks.items()]
            for line in lines:
                self.say(line)


def _clock(task: _Task) -> str:
    elapsed = f"{time.monotonic() - task.started:.0f} s"
    return elapsed if task.last_seconds is None else f"{elapsed} (last time {task.last_seconds:.0f} s)"
