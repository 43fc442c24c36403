"""Becomes a supervised program: takes its environment, folder and account from a file, and dies with its parent.

Run by path, as `python -I -S tether.py SPEC`: it imports nothing of this package, so that it costs some 20 ms.
"""

import json
import os
import pwd
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
GONE = 75
"""Exit code (sysexits' TEMPFAIL) if the supervisor ended before the program began."""


def main() -> None:
    """Replaces this process by the program that the file named on the command line describes."""
    with open(sys.argv[1]) as stream:
        spec = json.load(stream)
    parent = os.getppid()
    os.chdir(spec["directory"])
    environment = {**os.environ, **spec["environment"]}
    if spec["user"]:
        environment |= become(spec["user"])
    # After the change of account, which would clear it.
    die_with_parent(spec["stop_signal"])
    if os.getppid() != parent:
        sys.exit(GONE)
    command = spec["command"]
    os.execvpe(command[0], command, environment)


def become(user: str) -> dict[str, str]:
    """Gives up root for `user`; returns the environment that goes with it."""
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    return {"HOME": account.pw_dir, "USER": user, "LOGNAME": user}


def die_with_parent(stop_signal: str) -> None:
    """Has the kernel send the stop signal when the supervisor is gone (Linux; elsewhere nothing)."""
    if sys.platform != "linux":
        return
    import ctypes

    number: Any = getattr(signal, f"SIG{stop_signal}")
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


if __name__ == "__main__":
    main()
