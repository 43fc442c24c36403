"""Runs programs under supervisord: starts them all, starts them again when they end, keeps their output."""

import os
import re
import shutil
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowcast_local.credentials import write_private
from rowcast_local.errors import LocalError
from rowcast_local.paths import State
from rowcast_local.program import Program
from rowcast_local.supervisor_configuration import GROUP, configuration
from rowcast_local.supervisor_rpc import supervisor_at

START_SECONDS = 20.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
NO_FILE, NOT_RUNNING, ALREADY_STARTED = 20, 70, 60


class SupervisorError(LocalError):
    """supervisord did not start, or did not stop; the text says where to look."""


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of one program: its state's name, since when (Unix seconds), and its process, if any.

    `exit_code` is that of its last end: -1 for a signal, 0 also for an end within its first second. `ended` is when
    that was (Unix seconds), 0 if it never was.
    """

    name: str
    state: str
    since: float
    pid: int | None
    exit_code: int
    ended: float = 0.0


class Supervisor:
    """The supervisord of one platform; any number of these objects may speak to it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._socket = state.sockets / "supervisor.sock"

    def running(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._rpc.getState()["statename"] in ("RUNNING", "RESTARTING"))
        except (OSError, xmlrpc.client.Error):
            return False

    def start(self, programs: Sequence[Program]) -> None:
        """Starts supervisord, which starts every program. Raises SupervisorError if it doesn't answer soon."""
        command = self.command(programs)
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SupervisorError(f"supervisord did not start: {(done.stderr or done.stdout).strip()}")
        self.wait_running()

    def command(self, programs: Sequence[Program]) -> list[str]:
        """Writes what supervisord is to run, and returns the command that starts it. Raises SupervisorError."""
        self._state.sockets.mkdir(mode=0o700, exist_ok=True)
        if self._state.sockets.stat().st_uid != os.getuid():
            raise SupervisorError(f"{self._state.sockets} belongs to somebody else")
        file = self._state.folder / "supervisord.conf"
        write_private(file, configuration(self._state, self._socket, programs))
        return [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(file)]

    def wait_running(self) -> None:
        """Returns when it answers. Raises SupervisorError if it doesn't soon."""
        if not _eventually(self.running, START_SECONDS):
            raise SupervisorError(f"supervisord does not answer; see {self._state.logs / 'supervisord.log'}")

    def stop(self, last: Collection[str] = ()) -> None:
        """Stops every program at once, except those of `last`, then these, then supervisord.

        Nothing happens if it isn't running. Raises SupervisorError if it doesn't end.
        """
        if not self.running():
            return
        pid = int(self._rpc.getPID())
        self._stop_but(last)
        self._stop_but(())
        with suppress(OSError, xmlrpc.client.Error):
            self._rpc.shutdown()
        if not _eventually(lambda: not (self.running() or alive(pid)), START_SECONDS):
            raise SupervisorError(f"supervisord (process {pid}) does not end")
        shutil.rmtree(self._state.sockets, ignore_errors=True)

    def states(self) -> dict[str, ProcessState]:
        """Every program's state by name; empty if supervisord isn't running."""
        try:
            found = self._rpc.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return {}
        return {info["name"]: _process_state(info) for info in found}

    def last_end(self, name: str) -> str:
        """How a program ended last, as its log has it: "exit status 1", "terminated by SIGKILL"; empty for never.

        What it answers has no exit status for a program that ended within its first second.
        """
        log = (self._state.logs / "supervisord.log").read_text(errors="replace")
        ends = re.findall(rf"exited: {re.escape(name)} \((.*?); (?:not )?expected\)", log)
        return ends[-1] if ends else ""

    def start_program(self, name: str) -> None:
        """Starts one program that was stopped; it is no error if it runs. Raises KeyError for an unknown one."""
        self._call("startProcess", name, False, fine=ALREADY_STARTED)

    def stop_program(self, name: str) -> None:
        """Stops one program, and returns when it has ended; it stays down. Raises KeyError for an unknown one."""
        self._stop([name])

    def signal_program(self, name: str, signal: str) -> None:
        """Sends a signal, named without `SIG`, to a program that runs. Raises KeyError for an unknown one."""
        self._call("signalProcess", name, signal, fine=NOT_RUNNING)

    def _stop_but(self, kept: Collection[str]) -> None:
        self._stop([name for name in self.states() if name not in kept])

    def _stop(self, names: Collection[str]) -> None:
        """supervisord looks once a second, or when it is asked something, whether what it stops has ended."""
        for name in names:
            self._call("stopProcess", name, False, fine=NOT_RUNNING)
        _eventually(lambda: not any(state.pid for name, state in self.states().items() if name in names), STOP_SECONDS)

    @property
    def _rpc(self) -> Any:
        return supervisor_at(self._socket)

    def _call(self, method: str, name: str, *arguments: Any, fine: int) -> None:
        try:
            getattr(self._rpc, method)(f"{GROUP}:{name}", *arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == fine:
                return
            raise KeyError(f"{name}: {fault.faultString}") from fault


def _process_state(info: dict[str, Any]) -> ProcessState:
    since = info["stop"] if info["statename"] in ("EXITED", "FATAL", "STOPPED") else info["start"]
    ended = float(info["stop"])
    return ProcessState(info["name"], info["statename"], float(since), info["pid"] or None, info["exitstatus"], ended)


def alive(pid: int) -> bool:
    """Whether a process has not ended; one that only waits for its parent to hear of it has.

    Where something else than an init system is process 1, as in many containers, that may take a second.
    """
    try:
        os.kill(pid, 0)
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except ProcessLookupError:
        return False
    except OSError:
        return True  # not Linux: there is no such file


def _eventually(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
