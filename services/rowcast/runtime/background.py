"""Work that goes on as long as the process does."""

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterable
from typing import Any

from rowcast.runtime.logging import get_logger


def begin(works: Iterable[Coroutine[Any, Any, object]]) -> list[asyncio.Task[object]]:
    """Starts all of them. One that fails ends the process, to be started anew: without it, what it does would be left
    undone, and nobody would know.
    """
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(_ended)
    return tasks


async def end(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancels all, and waits for their ends."""
    tasks = list(tasks)
    for task in tasks:
        task.remove_done_callback(_ended)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ended(task: asyncio.Task[object]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log = get_logger("rowcast.background")
        log.error("what goes on in the background has failed: the process ends", work=task.get_name(), exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)
