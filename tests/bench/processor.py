"""What processes have taken of the processors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil

from rowcast_local.platform import Platform


def with_children(pids: Iterable[int]) -> Iterator[psutil.Process]:
    """These processes and all that they have started, of those that run."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            yield from (process, *process.children(recursive=True))


def spent(platform: Platform) -> dict[str, float]:
    """Seconds of one core by the name of a part, of those that run, with what they have started and waited for."""
    states = platform.supervisor.states()
    return {name: sum(map(_of_process, set(with_children([state.pid])))) for name, state in states.items() if state.pid}


def _of_process(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0
