"""What differs, what is told of it, and when a connector counts as well."""

import pytest

from rowcast.connector.plan import Change, plan
from rowcast.core.connector import Status, TaskStatus, root_cause


def test_a_connector_that_is_not_there_is_created() -> None:
    planned = plan({"tasks.max": "1"}, None, name="rowcast")
    assert planned.change is Change.CREATED
    assert [str(each) for each in planned.differences] == ["+ name = rowcast", "+ tasks.max = 1"]


def test_equal_settings_are_unchanged_although_connect_adds_the_name() -> None:
    assert plan({"a": "1"}, {"a": "1", "name": "rowcast"}, name="rowcast").change is Change.UNCHANGED


def test_every_difference_is_told_by_kind() -> None:
    planned = plan({"a": "1", "b": "2"}, {"b": "3", "c": "4", "name": "rowcast"}, name="rowcast")
    assert planned.change is Change.CONFIGURED
    assert [str(each) for each in planned.differences] == ["+ a = 1", "~ b = 3 → 2", "- c = 4"]


@pytest.mark.parametrize("setting", ["database.password", "some.api.token", "ssl.key", "client.SECRET"])
def test_a_secret_is_never_told(setting: str) -> None:
    text = " ".join(str(each) for each in plan({setting: "after"}, {setting: "before"}, name="rowcast").differences)
    assert f"~ {setting} = *** → ***" in text
    assert "after" not in text
    assert "before" not in text


def test_a_reference_to_a_secret_is_told_as_it_is() -> None:
    (first, *_) = plan({"database.password": "${env:PASSWORD}"}, {"database.password": "x"}, name="r").differences
    assert str(first) == "~ database.password = *** → ${env:PASSWORD}"


@pytest.mark.parametrize(
    ("status", "running", "failed"),
    [
        (Status("RUNNING", [TaskStatus(0, "RUNNING")]), True, False),
        (Status("RUNNING", [TaskStatus(0, "FAILED", "why")]), False, True),
        (Status("RUNNING", []), False, False),
        (Status("RUNNING", [TaskStatus(0, "RUNNING"), TaskStatus(1, "RESTARTING")]), False, False),
        (Status("FAILED", [], "why"), False, True),
        (Status("STOPPED", []), False, False),
    ],
)
def test_a_connector_is_well_only_with_every_task(status: Status, running: bool, failed: bool) -> None:
    assert (status.running, status.failed) == (running, failed)


def test_a_status_tells_each_cause_once() -> None:
    status = Status("FAILED", [TaskStatus(0, "FAILED", "no slot"), TaskStatus(1, "RUNNING")], "no slot")
    assert str(status) == "connector FAILED, task 0 FAILED, task 1 RUNNING: no slot"


def test_of_a_trace_the_first_line_and_the_innermost_cause_remain() -> None:
    trace = "Outer: stopped\n\tat a.B\nCaused by: Middle: m\n\tat c.D\nCaused by: Inner: no publication\n\t... 5 more\n"
    assert root_cause(trace) == "Outer: stopped (because of Inner: no publication)"
    assert root_cause("Outer: stopped\n\tat a.B\n") == "Outer: stopped"
    assert root_cause(None) is None


def test_an_endless_line_keeps_both_its_ends() -> None:
    text = root_cause("The beginning " + "x" * 5000 + " the end")
    assert text is not None
    assert text.startswith("The beginning ")
    assert text.endswith(" the end")
    assert len(text) < 400
