"""Publishes what became of rows after their delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from rowcast.core.errors import TransientError
from rowcast.core.ports import News
from rowcast.runtime.logging import get_logger
from rowcast.sync.moments import now
from rowcast.sync.reporting import ROWS_IN_A_LOG_LINE, Publisher

ROWS_AT_ONCE = 500


class Later:
    """A queue of news to the status topic. It is lost with the process: a target tells it again when it starts."""

    def __init__(self, target: str, publisher: Publisher, topic: str) -> None:
        self._target = target
        self._publisher = publisher
        self._topic = topic
        self._waiting: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue()
        self._log = get_logger("rowcast.delivery")

    def notice(self, news: Sequence[News]) -> None:
        """Take news in; returns at once."""
        moment = now()
        for start in range(0, len(news), ROWS_AT_ONCE):
            self._waiting.put_nowait([_status(one, moment) for one in news[start : start + ROWS_AT_ONCE]])

    async def no_engine(self) -> None:
        """Tell, once, that no GitOps engine follows the target: one that did has said its last word."""
        await self._publish({"target": self._target, "statuses": [], "progress": "none"})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            statuses = await self._waiting.get()
            self._log.info(
                "news of rows",
                count=len(statuses),
                rows=[_in_words(one) for one in statuses[:ROWS_IN_A_LOG_LINE]],
            )
            try:
                await self._publish({"target": self._target, "statuses": statuses})
            except Exception:
                self._log.exception("news of rows not published; they are told again after the next start")

    async def _publish(self, message: dict[str, Any]) -> None:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=0.2, max=5),
            reraise=True,
        ):
            with attempt:
                await self._publisher.publish(self._topic, message)


def _status(one: News, moment: str) -> dict[str, Any]:
    return {
        "row_id": one.row_id,
        "name": one.name,
        "generation": one.generation,
        "outcome": str(one.result.outcome),
        "deleted": one.deleted,
        "reference": one.result.reference,
        "error": one.result.trouble,
        "stage": one.result.stage,
        "link": one.result.link,
        "saved_at": one.saved_at,
        "captured_at": None,
        "delivered_at": moment,
    }


def _in_words(status: dict[str, Any]) -> str:
    return f"{status['row_id']}@{status['generation']} {status['stage'] or status['error'] or status['outcome']}"
