"""Keeps `rowcast.rows` equal to the table of configurations: what bypassed its triggers is found by comparing the two.

And switches that on after an upgrade, once no sync of the version before is left, which would take such an event for
undecodable (migration 0018, decision 39). Until then the table itself is captured.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from anyio import to_thread
from sqlalchemy import Engine, text

from rowcast.crud.database.background import repeat
from rowcast.crud.database.connections import changing
from rowcast.runtime.logging import get_logger

BATCH = 1_000
"""Rows in one transaction: as many events wait in the log until it ends, and whoever changes one of them."""
PAUSE_SECONDS = 5.0
REST = 10
"""Times as long as comparing took: very many rows are compared now and then."""
LOGGER = "rowcast.crud.configurations"
LOOKS = 12
"""Answers one after the other that no old instance has given: which of several answers is the sidecar's choice."""
COMPARE_MS = 600_000
"""Very many rows take longer than any statement of a request may: a million 43 s, beside other work."""
_IS_ON = text("SELECT rowcast.captures_configurations()")
_SWITCH_ON = text("SELECT rowcast.capture_configurations()")
_PATIENCE = text(f"SET LOCAL statement_timeout = {COMPARE_MS}")
_COMPARE = text("SELECT rowcast.compare_configurations(:batch)")

Ask = Callable[[str], Awaitable[Mapping[str, Any]]]
"""The facts of a target's sync. Raises TransientError."""


def compare(engine: Engine, batch: int = BATCH) -> int:
    """Write what differs, so many rows at most; how many. Raises TransientError."""
    with changing(engine) as connection:
        connection.execute(_PATIENCE)
        return int(connection.execute(_COMPARE, {"batch": batch}).scalar_one())


class Configurations:
    """Compares until it is cancelled; several instances may, one at a time does."""

    def __init__(
        self, engine: Engine, targets: Sequence[str], ask: Ask, *, pause: float = PAUSE_SECONDS, looks: int = LOOKS
    ) -> None:
        self._engine = engine
        self._targets = targets
        self._ask = ask
        self._pause = pause
        self._looks = looks
        self._understood = 0
        self._on = False
        self._log = get_logger(LOGGER)

    async def run(self) -> None:
        """Again and again, as `repeat` does."""
        waits = "configurations are not compared with what is captured"
        fails = "configurations could not be compared with what is captured"
        # What took long because something was not there says nothing of how long comparing takes.
        await repeat(self._step, self._pause, logger=LOGGER, waits=waits, fails=fails)

    async def _step(self) -> float:
        started = time.monotonic()
        written = await self.once()
        return 0.0 if written else max(self._pause, REST * (time.monotonic() - started))

    async def once(self) -> int:
        """One look; how many rows were written. Raises TransientError."""
        if not self._on:
            self._on = await to_thread.run_sync(self._is_on) or await self._switched_on()
            if not self._on:
                return 0
        written = await to_thread.run_sync(compare, self._engine)
        if written:
            self._log.info("configurations captured that differed from what was", count=written)
        return written

    async def _switched_on(self) -> bool:
        facts = await asyncio.gather(*(self._ask(target) for target in self._targets), return_exceptions=True)
        understood = all(isinstance(each, Mapping) and each.get("configurations_in_rows") is True for each in facts)
        self._understood = self._understood + 1 if understood else 0
        if self._understood < self._looks:
            return False
        await to_thread.run_sync(self._switch_on)
        self._log.info("configurations are captured in rowcast.rows from now on")
        return True

    def _is_on(self) -> bool:
        with changing(self._engine) as connection:
            return bool(connection.execute(_IS_ON).scalar_one())

    def _switch_on(self) -> None:
        with changing(self._engine) as connection:
            connection.execute(_SWITCH_ON)
