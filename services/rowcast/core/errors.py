"""The three kinds of failure. Where one arises decides its class; nobody branches on a message's text."""

from __future__ import annotations

from collections.abc import Iterable

from rowcast.core.row import RowKey


class RowcastError(Exception):
    """Base of every failure that Rowcast names. Anything else that escapes is a bug of ours."""


class TransientError(RowcastError):
    """Passes by itself: the target is down, busy or raced us. Retried without end, with backoff.

    `retry_after` is in seconds where the other side asked for a pause, else None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClaimedError(TransientError):
    """What a row wants is another row's, which has to let go of it first. `holders` are all rows that it waits for."""

    def __init__(self, message: str, holders: Iterable[RowKey]) -> None:
        super().__init__(message)
        self.holders = frozenset(holders)


class PermanentError(RowcastError):
    """Fails again however often it is tried. Goes to the dead-letter topic under `reason`, a stable kebab-case word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TooLargeError(TransientError):
    """A message that is refused for its size, and would be for ever: a smaller one of the same passes."""
