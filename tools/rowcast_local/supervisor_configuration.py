"""The file that tells supervisord what to run."""

import configparser
import io
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rowcast_local.credentials import write_private
from rowcast_local.paths import State
from rowcast_local.program import Program

GROUP = "rowcast"
# supervisord waits one second longer after each failed start; this many are days.
RETRIES = "1000000"
TETHER = Path(__file__).with_name("tether.py")


def configuration(state: State, socket: Path, programs: Sequence[Program]) -> str:
    """Its text; what each program needs to know, secrets included, is written beside it, for the owner alone."""
    specs = state.folder / "programs"
    specs.mkdir(mode=0o700, exist_ok=True)
    parser = configparser.RawConfigParser()
    parser["unix_http_server"] = {"file": _plain(socket), "chmod": "0700"}
    parser["supervisord"] = {
        "logfile": _plain(state.logs / "supervisord.log"),
        "pidfile": _plain(state.folder / "supervisord.pid"),
        "childlogdir": _plain(state.logs),
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
        parser[f"program:{program.name}"] = _section(program, spec, state.logs / f"{program.name}.log")
    stream = io.StringIO()
    parser.write(stream)
    return stream.getvalue()


def _section(program: Program, spec: Path, log: Path) -> dict[str, str]:
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
        "stdout_logfile": _plain(log),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "2",
    }


def _spec(program: Program) -> dict[str, Any]:
    """What the tether reads: from a file, since supervisord would expand and unquote it."""
    return {
        "command": list(program.command),
        "environment": dict(program.environment),
        "directory": str(program.directory),
        "user": program.user,
        "stop_signal": program.stop_signal,
        "awaits": list(program.awaits),
    }


def _plain(value: object) -> str:
    """A value in which supervisord expands nothing."""
    return str(value).replace("%", "%%")
