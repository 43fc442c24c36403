"""Brings the connector to its wanted settings and sees it running, whatever is not there yet."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, stop_never, wait_exponential
from tenacity.stop import stop_base

from rowcast.connector.definition import Definition
from rowcast.connector.errors import ConnectNotReadyError, ConnectorError
from rowcast.connector.plan import Plan, plan
from rowcast.core.connector import Status

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class Connect(Protocol):
    """What applying needs of Kafka Connect; see ConnectClient."""

    def config(self) -> Mapping[str, str] | None:
        """The settings, or None."""

    def put_config(self, config: Mapping[str, str]) -> None:
        """Creates or changes."""

    def status(self) -> Status:
        """How it is."""

    def restart_failed(self) -> None:
        """Starts what failed again."""

    def stop(self) -> None:
        """Ends the tasks."""

    def resume(self) -> None:
        """Starts them again."""

    def forget_offsets(self) -> None:
        """Forgets how far the connector has read."""


class NotRunningError(ConnectorError):
    """The connector or a task isn't running; the text has its states and the cause."""


class Patience:
    """How long to go on trying, in seconds (0: for ever), and how quickly: waits double from 0.2 s to `slowest`."""

    def __init__(
        self,
        timeout: float,
        *,
        slowest: float = 5.0,
        say: Callable[[str], None] = _LOG.info,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stop: stop_base = stop_after_delay(timeout) if timeout else stop_never
        self._slowest = slowest
        self._say = say
        self._sleep = sleep
        self._said: str | None = None

    def keep_trying(self, action: Callable[[], _T]) -> _T:
        """Calls until it raises neither ConnectNotReadyError nor NotRunningError; at the end of time raises that."""
        return Retrying(
            retry=retry_if_exception_type((ConnectNotReadyError, NotRunningError)),
            stop=self._stop,
            wait=wait_exponential(multiplier=0.2, max=self._slowest),
            before_sleep=self._tell,
            sleep=self._sleep,
            reraise=True,
        )(action)

    def _tell(self, state: RetryCallState) -> None:
        # Each reason once, not at every attempt.
        reason = str(state.outcome.exception()) if state.outcome else ""
        if reason != self._said:
            self._said = reason
            self._say(f"waiting: {reason}")


def apply(connect: Connect, definition: Definition, patience: Patience, *, dry_run: bool = False) -> Plan:
    """Puts the settings if they differ and returns what was (or would be) changed.

    Raises ConnectRefusedError for settings that Connect finds wrong, ConnectNotReadyError when patience ends.
    """

    def once() -> Plan:
        planned = plan(definition.config, connect.config(), name=definition.name)
        if planned.differences and not dry_run:
            connect.put_config(definition.config)
        return planned

    return patience.keep_trying(once)


def snapshot_again(connect: Connect, patience: Patience) -> None:
    """Lets the connector read the whole table again before it goes on; every row arrives once more as `r`.

    Raises ConnectNotReadyError when patience ends, ConnectRefusedError if there is no such connector.
    """
    patience.keep_trying(connect.stop)
    try:
        patience.keep_trying(connect.forget_offsets)
    finally:
        patience.keep_trying(connect.resume)


def wait_until_running(connect: Connect, patience: Patience, *, pause: Callable[[], None] = lambda: None) -> Status:
    """Returns when the connector and every task run, starting again what failed meanwhile.

    A task that failed because the database was not there yet so recovers. A task is RUNNING for Connect before it has
    reached the database: only what still runs after the `pause` counts. Raises NotRunningError or ConnectNotReadyError
    when patience ends, with the cause that Connect gives.
    """

    def once() -> Status:
        _look(connect)
        pause()
        return _look(connect)

    return patience.keep_trying(once)


def _look(connect: Connect) -> Status:
    status = connect.status()
    if status.failed:
        connect.restart_failed()
    if not status.running:
        raise NotRunningError(str(status))
    return status
