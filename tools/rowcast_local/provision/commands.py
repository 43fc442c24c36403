"""Commands of a step: their output goes to the step's log, and all of them end when the run is interrupted."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

TAIL_LINES = 15


class CommandError(Exception):
    """A command failed, or was interrupted; the text has its last lines."""


class Running:
    """The commands under way in every step, so that one call ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self.cancelled = False

    def start(self, command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]) -> int:
        """Runs `command` to its end and returns its exit code. Raises CommandError once cancelled."""
        with self._lock:
            if self.cancelled:
                raise CommandError("interrupted")
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a compiler's children end with it
                )
            self._processes.add(process)
        try:
            return process.wait()
        finally:
            with self._lock:
                self._processes.discard(process)

    def cancel(self) -> None:
        """Ends what runs, and lets nothing start any more."""
        with self._lock:
            self.cancelled = True
            for process in self._processes:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


class Commands:
    """The commands of one step."""

    def __init__(self, running: Running, log: Path) -> None:
        self._running = running
        self.log = log

    def run(self, *command: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Runs `command` in `folder`, with `environment` added to the caller's own.

        Raises CommandError if it cannot be started, exits with another code than 0, or is interrupted.
        """
        texts = [str(part) for part in command]
        try:
            code = self._running.start(texts, self.log, folder, {**os.environ, **(environment or {})})
        except OSError as error:
            raise CommandError(f"cannot run {texts[0]}: {error}") from error
        if self._running.cancelled:
            raise CommandError("interrupted")
        if code != 0:
            raise CommandError(f"`{' '.join(texts[:4])} …` exited with code {code}:\n{self._tail()}")

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        return "\n".join(f"  {line}" for line in lines)
