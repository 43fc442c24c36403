"""How many requests one caller may make: a bucket of tokens each, filled evenly."""

import time
from collections.abc import Callable

from rowcast.core.errors import RowcastError

_FEW = 1024
"""Callers, up to which nobody looks who of them could be forgotten."""


class TooManyRequestsError(RowcastError):
    """A caller's bucket is empty. `seconds`: when there is something in it again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many requests of one caller; try again in {seconds:.1f} s")
        self.seconds = seconds


class Rates:
    """A bucket for each caller: full, it has `burst` requests; `per_second` flow in. Without a rate (0) all pass.

    What is kept of a caller is when their bucket will be full again (the generic cell rate algorithm, ITU-T I.371), and
    nothing once it is.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._depth = burst * self._interval
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._most = _FEW

    def take(self, caller: str) -> None:
        """Takes a request out of a caller's bucket. Raises TooManyRequestsError, taking nothing, where it is empty."""
        now = self._clock()
        full_at = max(now, self._full_at.get(caller, now)) + self._interval
        wait = full_at - now - self._depth
        if wait > 1e-9:  # what is left of adding intervals is nobody's request
            raise TooManyRequestsError(wait)
        if not self._interval:
            return
        self._full_at[caller] = full_at
        if len(self._full_at) > self._most:
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
            self._most = max(_FEW, 2 * len(self._full_at))

    def __len__(self) -> int:
        """Of how many callers something is kept."""
        return len(self._full_at)
