"""What is kept for a time and then goes, by a function of the owner's: so many in one transaction, now and then."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, text

from rowcast.core.errors import TransientError
from rowcast.crud.database.connections import changing
from rowcast.runtime.logging import get_logger


@dataclass(frozen=True)
class Pruning:
    """`function` takes an age and how many may go at once, and gives how many went; `pause` is in seconds."""

    what: str
    function: str
    batch: int
    pause: float

    def once(self, engine: Engine, older_than: timedelta, batch: int | None = None) -> int:
        """Let the oldest go; how many. Raises TransientError."""
        query = text(f"SELECT {self.function}(:older_than, :batch)")
        with changing(engine) as connection:
            values = {"older_than": older_than, "batch": self.batch if batch is None else batch}
            return int(connection.execute(query, values).scalar_one())

    async def keep(self, engine: Engine, older_than: timedelta) -> None:
        """For ever; several instances may."""
        log = get_logger("rowcast.pruning")
        while True:
            pruned = 0
            try:
                pruned = await asyncio.to_thread(self.once, engine, older_than)
            except TransientError as error:
                log.info(f"{self.what} could not be pruned", error=str(error))
            except Exception:
                log.exception(f"{self.what} could not be pruned")
            if pruned:
                log.info(f"{self.what} pruned", count=pruned)
            if pruned < self.batch:
                await asyncio.sleep(self.pause)
