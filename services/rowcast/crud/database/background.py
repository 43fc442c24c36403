"""What crud does again and again beside its requests, whatever goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable

from rowcast.core.errors import TransientError
from rowcast.runtime.logging import get_logger


async def repeat(step: Callable[[], Awaitable[float]], pause: float, *, logger: str, waits: str, fails: str) -> None:
    """Calls `step` until it is cancelled: it returns in how many seconds to come again; where it raises, in `pause`.

    Trouble with the database (TransientError) is waited out, and logged as `waits` when it begins; whatever else goes
    wrong is logged as `fails`, once.
    """
    log, before = get_logger(logger), ""
    while True:
        rest, trouble = pause, ""
        try:
            rest = await step()
        except TransientError as error:
            trouble = str(error)
            if not before:
                log.warning(waits, reason=trouble)
        except Exception as error:
            trouble = repr(error)
            if trouble != before:
                log.exception(fails)
        before = trouble
        await asyncio.sleep(rest)
