"""Trying again what passes by itself, but only for so long: for commands, which somebody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rowcast.core.errors import RowcastError, TransientError

_T = TypeVar("_T")
_FIRST_PAUSE = 0.05


class LateError(RowcastError):
    """Time is up; the text says what was missing."""


class Deadline:
    """So many seconds from now for all that is done under it."""

    def __init__(
        self,
        seconds: float,
        *,
        slowest: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._slowest = slowest
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + seconds

    def until(self, attempt: Callable[[], _T]) -> _T:
        """Calls until it doesn't raise TransientError. Raises LateError with the last one when time is up."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return attempt()
            except TransientError as error:
                left = self._end - self._clock()
                if left <= 0:
                    raise LateError(f"not within {self._seconds:g} s: {error}") from error
                self._sleep(min(pause, left))
                pause = min(pause * 1.5, self._slowest)
