"""Becomes a supervised program: takes its environment, folder and account from a file, and dies with its parent.

Run by path, as `python -I -S tether.py SPEC`: it imports nothing of this package, so that it costs some 20 ms.
"""

import json
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.1
GONE = 75
"""Exit code (sysexits' TEMPFAIL) if the supervisor ended before the program began."""
CANNOT_RUN, NOT_THERE = 126, 127
"""Exit codes, as a shell has them, if the program can't be run for its account, or isn't there: no retry helps."""


def main() -> None:
    """Replaces this process by the program that the file named on the command line describes."""
    with open(sys.argv[1]) as stream:
        spec = json.load(stream)
    parent = os.getppid()
    stop_signal: Any = getattr(signal, f"SIG{spec['stop_signal']}")
    die_with_parent = death_wish(int(stop_signal))
    die_with_parent()
    for port in spec["awaits"]:
        await_port(port)
    try:
        os.chdir(spec["directory"])
    except OSError as error:
        sys.exit(refused(spec, f"in {spec['directory']}", error))
    environment = {**os.environ, **spec["environment"]}
    if spec["user"]:
        environment |= become(spec["user"])
        die_with_parent()  # the kernel forgets it with a change of account
    if os.getppid() != parent:
        sys.exit(GONE)
    command = spec["command"]
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        sys.exit(refused(spec, "", error))


def refused(spec: Any, where: str, error: OSError) -> int:
    """Says in a line why the program can't be run, in the program's own log; returns the exit code."""
    words = ("cannot run", spec["command"][0], where, f"as {spec['user']}" if spec["user"] else "")
    print(f"{' '.join(filter(None, words))}: {error.strerror}", file=sys.stderr, flush=True)
    return NOT_THERE if isinstance(error, FileNotFoundError) else CANNOT_RUN


def await_port(port: int) -> None:
    """Returns when something accepts connections at `port` of the loopback."""
    address = ("127.0.0.1", port)
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(address) == 0:
                return
        time.sleep(POLL_SECONDS)


def become(user: str) -> dict[str, str]:
    """Gives up root for `user`; returns the environment that goes with it."""
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    return {"HOME": account.pw_dir, "USER": user, "LOGNAME": user}


def death_wish(number: int) -> Callable[[], None]:
    """What asks the kernel for signal `number` when the supervisor is gone (Linux; elsewhere it does nothing).

    Made before the change of account: the other one may not be able to read this Python's libraries.
    """
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) and None


if __name__ == "__main__":
    main()
