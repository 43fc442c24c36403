"""Runs the engine without end: what ends it is said, and it is started again from the position that was kept last."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from rowcast.capture.engine import Consumer
from rowcast.capture.events import Event, Record, events
from rowcast.capture.facts import Condition, State
from rowcast.capture.offsets import Offsets, unusable
from rowcast.core.errors import PermanentError, TransientError
from rowcast.runtime.logging import get_logger

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 10.0
STABLE_SECONDS = 30.0
"""An engine that has run for so long has not failed for the reason of the last time."""
KEEP_SECONDS = 0.1
"""A position is kept no more often than this: what comes again after a crash is what came within it."""
LOOK_SECONDS = 0.05


class Run(Protocol):
    """One run of an engine; see engine.Engine."""

    @property
    def polling(self) -> bool:
        """Whether it reads."""
        ...

    def run(self) -> None:
        """Blocks until its end. Raises TransientError."""
        ...

    def close(self) -> None:
        """Ends it, from another thread."""
        ...


class Outlet(Protocol):
    """Where events go, for a thread that waits."""

    def prepare(self) -> None:
        """Makes the broker ready for the first event. Raises TransientError, PermanentError."""
        ...

    def publish(self, events: Sequence[Event]) -> None:
        """Returns when the broker has them all. Raises TransientError after `cancel`."""
        ...

    def cancel(self) -> None:
        """Ends a `publish` that waits, from another thread."""
        ...


class Running:
    """The engine, started again and again, in a thread of its own.

    An event is published before its position is kept, and a position is kept before the engine may confirm it to the
    server. So what ends anywhere in between comes again, and nothing is passed over.
    """

    def __init__(
        self,
        offsets: Offsets,
        outlet: Outlet,
        start: Callable[[Mapping[str, Any] | None, Consumer], Run],
        condition: Condition,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`start` makes an engine that begins at a position; at None it reads the whole table first."""
        self._offsets = offsets
        self._outlet = outlet
        self._start = start
        self._condition = condition
        self._clock = clock
        self._log = get_logger("rowcast.capture")
        self._name = uuid.uuid4().hex
        self._records = 0
        self._unkept: Mapping[str, Any] | None = None
        self._kept_at = 0.0
        self._ending = threading.Event()
        self._wake = threading.Event()
        self._again = threading.Event()
        self._engine: Run | None = None
        self._thread = threading.Thread(target=self._without_end, name="capture", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self, seconds: float) -> None:
        """Stop reading, keep the position of what was published, and wait for that so many seconds at most."""
        self._ending.set()
        self._interrupt()
        self._thread.join(seconds)

    def snapshot_again(self) -> None:
        """Forget the position, and read the whole table before going on; returns at once."""
        self._again.set()
        self._interrupt()

    def take(self, records: Sequence[Record]) -> None:
        """A batch of the engine's. Returns when the broker has it; raises TransientError when the end is asked for."""
        if self._wake.is_set():
            raise TransientError("the engine was asked to end")
        self._condition.state, self._condition.error = State.RUNNING, None
        made = events(records, self._name, self._records)
        self._records += len(records)
        self._outlet.publish(made)

    def keep(self, position: Mapping[str, Any]) -> bool:
        """Keep how far everything is published, unless that was done a moment ago."""
        self._unkept = position
        self._condition.snapshot = bool(position.get("snapshot")) and not position.get("last_snapshot_record")
        if self._clock() - self._kept_at < KEEP_SECONDS:
            return False
        self._keep()
        return True

    def _keep(self) -> None:
        if self._unkept is None:
            return
        self._offsets.save(self._unkept)
        condition = self._condition
        condition.offsets_known, condition.lsn = True, self._unkept.get("lsn")
        self._unkept, self._kept_at = None, self._clock()

    def _interrupt(self) -> None:
        self._wake.set()
        self._outlet.cancel()
        engine = self._engine
        if engine is not None:
            engine.close()

    def _without_end(self) -> None:
        pause = FIRST_SECONDS
        while not self._ending.is_set():
            began = self._clock()
            self._wake.clear()
            error = self._attempt()
            if error is None:
                continue
            if error != self._condition.error:
                self._log.warning("capture has stopped, starting it again", error=error, state=self._condition.state)
            self._condition.error = error
            pause = FIRST_SECONDS if self._clock() - began > STABLE_SECONDS else pause
            self._wake.wait(pause * random.uniform(0.7, 1))  # noqa: S311 - no secret
            pause = min(pause * 2, LONGEST_SECONDS)
        self._offsets.close()

    def _attempt(self) -> str | None:
        """One run, from finding the position to whatever ends it; why it has ended, if nobody has asked for it."""
        try:
            self._once()
        except TransientError as error:
            reason, state = str(error), State.RETRYING
        except PermanentError as error:
            # Of the broker or its login: it may be put right while we try.
            reason, state = str(error), State.FAILED
        except Exception as error:
            self._log.exception("capture has failed")
            reason, state = f"{type(error).__name__}: {error}", State.FAILED
        else:
            return None
        if self._ending.is_set() or self._wake.is_set():
            return None
        self._condition.state = state
        return reason

    def _once(self) -> None:
        self._unkept = None
        self._offsets.open()
        try:
            self._outlet.prepare()
            position = self._position()
            self._condition.starts += 1
            turn = _Turn(self)
            engine = self._engine = self._start(position, turn)
            try:
                self._follow(engine)
            finally:
                turn.over = True
        finally:
            self._engine = None
            self._offsets.close()

    def _position(self) -> Mapping[str, Any] | None:
        """Where to begin; None for the whole table."""
        server = self._offsets.server()
        if server.slot is not None and server.slot.active:
            raise TransientError(
                f"the replication slot is in use (process {server.slot.pid}): waiting until it is free"
            )
        saved = self._offsets.read()
        reason = None if saved is None else unusable(saved, server)
        if self._again.is_set():
            reason = "somebody has asked for it"
            self._again.clear()
        if saved is not None and reason is not None:
            self._log.warning("the whole table is read again", reason=reason)
            saved = None
        if saved is None:
            self._offsets.begin_anew()
        self._condition.offsets_known = saved is not None
        self._condition.lsn = None if saved is None else saved.lsn
        self._condition.snapshot = saved is None
        return None if saved is None else saved.position

    def _follow(self, engine: Run) -> None:
        """Wait for the engine's end, and see meanwhile that it has begun."""
        ended: list[Exception | None] = []

        def run() -> None:
            try:
                engine.run()
            except Exception as error:  # told to the other thread
                ended.append(error)

        thread = threading.Thread(target=run, name="engine", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_SECONDS)
            if self._wake.is_set():
                self._outlet.cancel()
            if self._condition.state is not State.RUNNING and engine.polling and self._reads():
                self._condition.state, self._condition.error = State.RUNNING, None
        if self._ending.is_set():
            self._keep()
        if ended and ended[0] is not None:
            raise ended[0]

    def _reads(self) -> bool:
        slot = self._offsets.slot()
        return slot is not None and slot.active


class _Turn:
    """The consumer of one run: a thread of an engine that has ended moves nothing any more."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.over = False

    def take(self, records: Sequence[Record]) -> None:
        self._check()
        self._running.take(records)
        self._check()

    def keep(self, position: Mapping[str, Any]) -> bool:
        self._check()
        return self._running.keep(position)

    def _check(self) -> None:
        if self.over:
            raise TransientError("this run of the engine is over")
