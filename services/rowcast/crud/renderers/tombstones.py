"""Tombstones of rows of any table, which go once nothing can come back of what they stand for."""

import asyncio
from datetime import timedelta

from sqlalchemy import Engine, text

from rowcast.core.errors import TransientError
from rowcast.crud.database.connections import changing
from rowcast.runtime.logging import get_logger

BATCH = 500
"""In one transaction: as many events wait in the log until it ends."""
PAUSE_SECONDS = 600.0
_PRUNE = text("SELECT rowcast.prune_tombstones(:older_than, :batch)")


def prune(engine: Engine, older_than: timedelta, batch: int = BATCH) -> int:
    """Take away the oldest of those that every target has confirmed; how many. Raises TransientError."""
    with changing(engine) as connection:
        return int(connection.execute(_PRUNE, {"older_than": older_than, "batch": batch}).scalar_one())


async def keep_pruning(engine: Engine, older_than: timedelta) -> None:
    """For ever, now and then; several instances may."""
    log = get_logger("rowcast.tombstones")
    while True:
        pruned = 0
        try:
            pruned = await asyncio.to_thread(prune, engine, older_than)
        except TransientError as error:
            log.info("tombstones could not be pruned", error=str(error))
        except Exception:
            log.exception("tombstones could not be pruned")
        if pruned:
            log.info("tombstones pruned", count=pruned)
        if pruned < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)
