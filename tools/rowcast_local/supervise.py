"""Runs programs under supervisord: starts them all, starts them again when they end, keeps their output."""

import configparser
import json
import os
import shlex
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
from rowcast_local.supervisor_rpc import supervisor_at

GROUP = "rowcast"
START_SECONDS = 20.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05
# supervisord waits one second longer after each failed start; this many are days.
RETRIES = "1000000"
TETHER = Path(__file__).with_name("tether.py")
NO_FILE, NOT_RUNNING, ALREADY_STARTED = 20, 70, 60


class SupervisorError(LocalError):
    """supervisord did not start, or did not stop; the text says where to look."""


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of one program: its state's name, since when (Unix seconds), and its process, if any."""

    name: str
    state: str
    since: float
    pid: int | None
    exit_code: int


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
        self._state.sockets.mkdir(mode=0o700, exist_ok=True)
        if self._state.sockets.stat().st_uid != os.getuid():
            raise SupervisorError(f"{self._state.sockets} belongs to somebody else")
        file = self._state.folder / "supervisord.conf"
        write_private(file, self._configuration(programs))
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise SupervisorError(f"supervisord did not start: {(done.stderr or done.stdout).strip()}")
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
        with suppress(xmlrpc.client.Fault):
            self._rpc.stopProcessGroup(GROUP)
        with suppress(OSError, xmlrpc.client.Error):
            self._rpc.shutdown()
        if not _eventually(lambda: not _alive(pid), START_SECONDS):
            raise SupervisorError(f"supervisord (process {pid}) does not end")
        shutil.rmtree(self._state.sockets, ignore_errors=True)

    def states(self) -> dict[str, ProcessState]:
        """Every program's state by name; empty if supervisord isn't running."""
        try:
            found = self._rpc.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return {}
        return {info["name"]: _process_state(info) for info in found}

    def start_program(self, name: str) -> None:
        """Starts one program that was stopped; it is no error if it runs. Raises KeyError for an unknown one."""
        self._call("startProcess", name, False, fine=ALREADY_STARTED)

    def stop_program(self, name: str) -> None:
        """Stops one program, and returns when it has ended; it stays down. Raises KeyError for an unknown one."""
        self._call("stopProcess", name, True, fine=NOT_RUNNING)

    def signal_program(self, name: str, signal: str) -> None:
        """Sends a signal, named without `SIG`, to a program that runs. Raises KeyError for an unknown one."""
        self._call("signalProcess", name, signal, fine=NOT_RUNNING)

    def _stop_but(self, kept: Collection[str]) -> None:
        names = [name for name in self.states() if name not in kept]
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

    def _configuration(self, programs: Sequence[Program]) -> str:
        specs = self._state.folder / "programs"
        specs.mkdir(mode=0o700, exist_ok=True)
        parser = configparser.RawConfigParser()
        parser["unix_http_server"] = {"file": _plain(self._socket), "chmod": "0700"}
        parser["supervisord"] = {
            "logfile": _plain(self._state.logs / "supervisord.log"),
            "pidfile": _plain(self._state.folder / "supervisord.pid"),
            "childlogdir": _plain(self._state.logs),
            "identifier": GROUP,
            **({"user": "root"} if os.geteuid() == 0 else {}),
        }
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        parser[f"group:{GROUP}"] = {"programs": ",".join(program.name for program in programs)}
        for program in programs:
            spec = specs / f"{program.name}.json"
            write_private(spec, json.dumps(_spec(program)))
            parser[f"program:{program.name}"] = self._section(program, spec)
        return _text(parser)

    def _section(self, program: Program, spec: Path) -> dict[str, str]:
        return {
            "command": _plain(shlex.join([sys.executable, "-I", "-S", str(TETHER), str(spec)])),
            "autostart": "true",
            "autorestart": "unexpected" if program.once else "true",
            "startsecs": "0" if program.once else "1",
            "startretries": RETRIES,
            "exitcodes": "0",
            "stopsignal": program.stop_signal,
            "stopwaitsecs": str(program.stop_seconds),
            "stopasgroup": "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": _plain(self._state.logs / f"{program.name}.log"),
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "2",
        }


def _process_state(info: dict[str, Any]) -> ProcessState:
    since = info["stop"] if info["statename"] in ("EXITED", "FATAL", "STOPPED") else info["start"]
    return ProcessState(info["name"], info["statename"], float(since), info["pid"] or None, info["exitstatus"])


def _plain(value: object) -> str:
    """A value in which supervisord expands nothing."""
    return str(value).replace("%", "%%")


def _text(parser: configparser.RawConfigParser) -> str:
    import io

    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _eventually(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _spec(program: Program) -> dict[str, Any]:
    return {
        "command": list(program.command),
        "environment": dict(program.environment),
        "directory": str(program.directory),
        "user": program.user,
        "stop_signal": program.stop_signal,
        "awaits": list(program.awaits),
    }
