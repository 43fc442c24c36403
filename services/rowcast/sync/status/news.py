"""Publishes what became of rows after their delivery, and what could not be published at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from rowcast.core import messages
from rowcast.core.errors import TransientError
from rowcast.core.messages import Status
from rowcast.core.ports import News
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.clock import now
from rowcast.sync.status.report import ROWS_IN_A_LOG_LINE, Publisher, StatusTopic


class Later:
    """What is still to be published to the status topic: of each row the newest, so that it is never more than rows.

    It is lost with the process: a target tells its news again when it starts.
    """

    def __init__(self, target: str, publisher: Publisher, topic: str) -> None:
        self._topic = StatusTopic(target, publisher, topic)
        self._waiting: dict[RowKey, Status] = {}
        self._news = asyncio.Event()
        self._log = get_logger("rowcast.delivery")

    def notice(self, news: Sequence[News]) -> None:
        """Take news in; returns at once."""
        moment = now()
        self.publish(messages.status(one, one.result, moment) for one in news)

    def publish(self, statuses: Iterable[Status]) -> None:
        """Take statuses in; returns at once. One that could not be told at first may be older than what waits."""
        for one in statuses:
            row = messages.row_of(one)
            known = self._waiting.get(row)
            if known is None or known["delivered_at"] <= one["delivered_at"]:
                self._waiting.pop(row, None)
                self._waiting[row] = one
        self._news.set()

    async def no_engine(self) -> None:
        """Tell, once, that no GitOps engine follows the target: one that did has said its last word."""
        message = messages.status_message(self._topic.target, [], "none")
        async for attempt in AsyncRetrying(retry=retry_if_exception_type(TransientError), wait=_pause(), reraise=True):
            with attempt:
                await self._topic.publisher.publish(self._topic.topic, message)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            self._log.info(
                "news of rows",
                count=len(self._waiting),
                rows=[
                    _in_words(one) for _, one in zip(range(ROWS_IN_A_LOG_LINE), self._waiting.values(), strict=False)
                ],
            )
            try:
                async for attempt in AsyncRetrying(retry=retry_if_exception_type(TransientError), wait=_pause()):
                    with attempt:
                        await self._empty()
            except Exception:
                self._log.exception("news of rows not published; they are told again after the next start")

    async def _empty(self) -> None:
        self._news.clear()
        statuses, self._waiting = self._waiting, {}
        left, reason = await self._topic.publish(statuses.values())
        # What has come meanwhile is newer.
        self._waiting = {messages.row_of(one): one for one in left} | self._waiting
        if left:
            raise TransientError(reason)


def _pause() -> wait_random_exponential:
    return wait_random_exponential(multiplier=0.2, max=5)


def _in_words(status: Status) -> str:
    return f"{messages.row_of(status)}@{status['generation']} {status['stage'] or status['error'] or status['outcome']}"
