"""A program beside a test: there once it is ready, and gone in the end."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

from rowcast_local.program import Program
from world import SETTLE_SECONDS, wait_until


@contextmanager
def running(program: Program, ready: Callable[[], bool], log: Path, seconds: float = SETTLE_SECONDS) -> Iterator[None]:
    """`program`, as the supervisor would run it; what it says goes to the file `log`.

    Fails with the log where it ends before it is ready, or isn't ready after `seconds`.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            program.command,
            env={**os.environ, **program.environment},
            cwd=program.directory,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=program.user,
            group=pwd.getpwnam(program.user).pw_gid if program.user else None,
        )

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        return ready()

    try:
        wait_until(answers, log.read_text, seconds)
        yield
    finally:
        process.send_signal(Signals[f"SIG{program.stop_signal}"])
        process.wait()
