"""What processes hold in memory: their proportional set size, so that what several share is counted once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from bench.processor import with_children
from rowcast_local.platform import Platform

MIB = 2**20
SAMPLE_SECONDS = 0.2


@dataclass
class Peak:
    """The most bytes that were held at once, as far as it was looked at, and the most of the process alone.

    Git's commands map the packs that they read: what is counted of that is the system's to take back.
    """

    bytes: int = 0
    alone: int = 0


def held(pids: Iterable[int]) -> int:
    """Bytes of these processes and of all that they have started. A process that has ended holds nothing."""
    return sum(map(_of_process, set(with_children(pids))))


def of_parts(platform: Platform) -> dict[str, int]:
    """Bytes by the name of a part, of those that run."""
    return {name: held([state.pid]) for name, state in platform.supervisor.states().items() if state.pid}


@contextmanager
def peak(platform: Platform, part: str) -> Iterator[Peak]:
    """The peak of one part while the context lasts, looked at five times a second; it may be started meanwhile."""
    found, stop = Peak(), threading.Event()

    def look() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            state = platform.supervisor.states().get(part)
            if state is not None and state.pid:
                found.bytes = max(found.bytes, held([state.pid]))
                found.alone = max(found.alone, alone(state.pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def alone(pid: int) -> int:
    """Bytes of a process without what it has started."""
    with suppress(psutil.NoSuchProcess):
        return _of_process(psutil.Process(pid))
    return 0


def _of_process(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return int(process.memory_full_info().pss)
    return 0
