"""The position never gets ahead of an event that the broker has not taken, whatever ends the engine, and when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.capture import running
from rowcast.capture.engine import Consumer
from rowcast.capture.events import Event, Record
from rowcast.capture.facts import Condition, State
from rowcast.capture.offsets import Saved, Server, Slot
from rowcast.capture.running import Running
from rowcast.core.errors import PermanentError, TransientError

LOG_END = 60


class Database:
    """A log of numbered changes, the position that is kept, and what the slot has confirmed."""

    def __init__(self, failing: Callable[[str], None]) -> None:
        self.saved: Saved | None = None
        self.confirmed = 0
        self.forgotten = 0
        self._failing = failing

    def open(self) -> None:
        self._failing("open")

    def close(self) -> None: ...

    def server(self) -> Server:
        return Server("7", 1, LOG_END, self.slot())

    def slot(self) -> Slot:
        return Slot(active=False, pid=None, confirmed=self.confirmed, wal_status="reserved")

    def read(self) -> Saved | None:
        return self.saved

    def save(self, position: Mapping[str, Any]) -> None:
        self._failing("save")
        self.saved = Saved(position, "7", 1)

    def begin_anew(self) -> None:
        self.forgotten += 1
        self.saved = None


class Broker:
    """Takes events, or fails."""

    def __init__(self, failing: Callable[[str], None]) -> None:
        self.taken: list[int] = []
        self._failing = failing

    def prepare(self) -> None:
        self._failing("prepare")

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            self._failing("publish")
            self.taken.append(int(event.key.removeprefix("appconfigs/")))

    def cancel(self) -> None: ...


class Engine:
    """Reads the log from a position in batches; confirms what it is told that it may, as Debezium does."""

    polling = True

    def __init__(self, position: Mapping[str, Any] | None, consumer: Consumer, database: Database, size: int) -> None:
        self._next = 1 if position is None else int(position["lsn"]) + 1
        self._consumer = consumer
        self._database = database
        self._size = size
        self.closed = threading.Event()

    def run(self) -> None:
        while self._next <= LOG_END:
            last = min(self._next + self._size - 1, LOG_END)
            self._consumer.take([record(number) for number in range(self._next, last + 1)])
            if self._consumer.keep({"lsn": last}):
                self._database.confirmed = last
                # What is confirmed is gone from the log for ever: it had better be known that far.
                assert self._database.saved
                assert self._database.saved.lsn == last
            self._next = last + 1
        self.closed.wait()

    def close(self) -> None:
        self.closed.set()


def record(number: int) -> Record:
    return Record("changes", f'{{"id":{number}}}', f'{{"id":"same","data":{{"after":{{"id":{number}}}}}}}')


class Faults:
    """Fails as it is told, call by call."""

    def __init__(self, answers: Sequence[bool]) -> None:
        self.answers = list(answers)

    def __call__(self, what: str) -> None:
        if self.answers and self.answers.pop(0):
            raise TransientError(f"{what} fails")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_SECONDS", "LONGEST_SECONDS", "LOOK_SECONDS"):
        monkeypatch.setattr(running, name, 0.001)


def finished(one: Running, broker: Broker) -> None:
    one.begin()
    for _ in range(10_000):
        if broker.taken and broker.taken[-1] == LOG_END:
            break
        threading.Event().wait(0.001)
    one.end(10)


@examples(40)
@given(st.lists(st.booleans(), max_size=80), st.integers(1, 20), st.lists(st.sampled_from([0.0, 1.0]), max_size=200))
def test_nothing_is_skipped_and_the_position_is_never_ahead(faults: list[bool], size: int, steps: list[float]) -> None:
    failing = Faults(faults)
    database, broker = Database(failing), Broker(failing)
    passed = iter(steps)
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += next(passed, 0.05)
        return now

    one = Running(
        database,  # type: ignore[arg-type]
        broker,
        lambda position, consumer: Engine(position, consumer, database, size),
        Condition(),
        clock=clock,
    )

    finished(one, broker)

    assert list(dict.fromkeys(broker.taken)) == list(range(1, LOG_END + 1))
    assert database.saved
    # Asked to end, it keeps how far everything is published.
    assert database.saved.lsn == LOG_END


def nothing_fails(_what: str) -> None: ...


def test_asked_to_it_forgets_the_position_and_begins_anew() -> None:
    database, broker = Database(nothing_fails), Broker(nothing_fails)
    database.saved = Saved({"lsn": 50}, "7", 1)
    started: list[Mapping[str, Any] | None] = []

    def start(position: Mapping[str, Any] | None, consumer: Consumer) -> Engine:
        started.append(position)
        return Engine(position, consumer, database, 10)

    one = Running(database, broker, start, Condition())  # type: ignore[arg-type]
    one.snapshot_again()
    finished(one, broker)

    assert started == [None]
    assert database.forgotten == 1
    assert broker.taken[:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (TransientError("the broker is away"), State.RETRYING, "the broker is away"),
        (PermanentError("conflict", "a stream of that name differs"), State.FAILED, "a stream of that name differs"),
        (RuntimeError("a bug"), State.FAILED, "RuntimeError: a bug"),
    ],
)
def test_what_stops_it_is_told_and_it_is_tried_again(error: Exception, state: State, text: str) -> None:
    tried = threading.Semaphore(0)

    def fail(what: str) -> None:
        if what == "prepare":
            tried.release()
            raise error

    condition = Condition()
    database, broker = Database(fail), Broker(fail)
    one = Running(database, broker, lambda *_: pytest.fail("started"), condition)  # type: ignore[arg-type]
    one.begin()
    for _ in range(3):
        assert tried.acquire(timeout=10)
    one.end(10)

    assert (condition.state, condition.error) == (state, text)
