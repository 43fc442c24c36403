"""How applying meets a Connect that is not there yet, refuses, or runs a task that fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from rowcast.connector.apply import NotRunningError, Patience, apply, snapshot_again, wait_until_running
from rowcast.connector.definition import Definition
from rowcast.connector.errors import ConnectNotReadyError, ConnectRefusedError
from rowcast.connector.plan import Change
from rowcast.core.connector import Status, TaskStatus

DEFINITION = Definition("rowcast", {"tasks.max": "1"})
RUNNING = Status("RUNNING", [TaskStatus(0, "RUNNING")])
FAILED = Status("RUNNING", [TaskStatus(0, "FAILED", "no publication")])


@dataclass
class FakeConnect:
    """Raises each of `troubles` once before it works, and shows `statuses` in turn, the last for ever."""

    settings: Mapping[str, str] | None = None
    troubles: list[Exception] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=lambda: [RUNNING])
    calls: list[str] = field(default_factory=list)

    def _call(self, name: str) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.calls.append(name)

    def config(self) -> Mapping[str, str] | None:
        """The settings."""
        self._call("config")
        return self.settings

    def put_config(self, config: Mapping[str, str]) -> None:
        """As Connect does: adds the name."""
        self._call("put_config")
        self.settings = {**config, "name": "rowcast"}

    def status(self) -> Status:
        """The next status."""
        self._call("status")
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def restart_failed(self) -> None:
        """Only remembered."""
        self._call("restart_failed")

    def stop(self) -> None:
        """Only remembered."""
        self._call("stop")

    def resume(self) -> None:
        """Only remembered."""
        self._call("resume")

    def forget_offsets(self) -> None:
        """Only remembered."""
        self._call("forget_offsets")


def patience(said: list[str] | None = None) -> Patience:
    heard = [] if said is None else said
    return Patience(0, say=heard.append, sleep=lambda _: None)


def at_an_end() -> Patience:
    return Patience(1e-9, sleep=lambda _: None)


def test_applying_twice_changes_once() -> None:
    connect = FakeConnect()
    assert apply(connect, DEFINITION, patience()).change is Change.CREATED
    assert apply(connect, DEFINITION, patience()).change is Change.UNCHANGED
    assert connect.calls == ["config", "put_config", "config"]


def test_a_dry_run_changes_nothing() -> None:
    connect = FakeConnect({"tasks.max": "2", "name": "rowcast"})
    assert apply(connect, DEFINITION, patience(), dry_run=True).change is Change.CONFIGURED
    assert connect.calls == ["config"]


def test_connect_is_awaited_and_each_reason_is_told_once() -> None:
    down = [ConnectNotReadyError("refused") for _ in range(3)]
    said: list[str] = []
    connect = FakeConnect(troubles=[*down, ConnectNotReadyError("rebalance")])
    assert apply(connect, DEFINITION, patience(said)).change is Change.CREATED
    assert said == ["waiting: refused", "waiting: rebalance"]


def test_wrong_settings_are_not_tried_again() -> None:
    connect = FakeConnect(troubles=[ConnectRefusedError("no such option")])
    with pytest.raises(ConnectRefusedError):
        apply(connect, DEFINITION, patience())
    assert connect.calls == []


def test_a_failed_task_is_started_again_until_it_runs() -> None:
    connect = FakeConnect(statuses=[FAILED, FAILED, RUNNING])
    assert wait_until_running(connect, patience()) == RUNNING
    assert connect.calls.count("restart_failed") == 2


def test_a_task_that_runs_only_until_the_pause_is_over_does_not_count() -> None:
    connect = FakeConnect(statuses=[RUNNING, FAILED, RUNNING, RUNNING])
    assert wait_until_running(connect, patience(), pause=lambda: connect.calls.append("pause")) == RUNNING
    assert connect.calls == ["status", "pause", "status", "restart_failed", "status", "pause", "status"]


def test_when_patience_ends_the_cause_is_in_the_error() -> None:
    with pytest.raises(NotRunningError, match=r"task 0 FAILED: no publication"):
        wait_until_running(FakeConnect(statuses=[FAILED]), at_an_end())


def test_a_new_snapshot_is_a_stop_forgetting_and_a_start() -> None:
    connect = FakeConnect(troubles=[ConnectNotReadyError("rebalance")])
    snapshot_again(connect, patience())
    assert connect.calls == ["stop", "forget_offsets", "resume"]


def test_a_connector_is_resumed_even_if_its_offsets_could_not_be_forgotten() -> None:
    class Stubborn(FakeConnect):
        def forget_offsets(self) -> None:
            """Never works."""
            raise ConnectRefusedError("no")

    connect = Stubborn()
    with pytest.raises(ConnectRefusedError):
        snapshot_again(connect, patience())
    assert connect.calls == ["stop", "resume"]
