"""A part that can't start is seen soon, by how its process ends; one that lacks a neighbour may end and come again."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcast_local.failures import ENOUGH_ENDS, Ends, account
from rowcast_local.part import Part
from rowcast_local.program import Program
from rowcast_local.supervise import ProcessState


def part(*needs: str, once: bool = False) -> Part:
    program = Program("crud", ("crud",), environment={}, directory=Path("/"), once=once)
    return Part(program, lambda: False, needs=needs)


def process(state: str, exit_code: int = 1, ended: float = 0.0) -> ProcessState:
    return ProcessState("crud", state, since=1.0, pid=None, exit_code=exit_code, ended=ended)


def test_one_that_has_not_ended_may_still_start() -> None:
    assert Ends({}, lambda _: "exit status 1").saw(part(), process("STARTING", 0), {"crud"}) == ""
    assert Ends({}, lambda _: "exit status 1").saw(part(), None, {"crud"}) == ""


@pytest.mark.parametrize("how", ["exit status 126", "exit status 127"])
def test_what_cannot_be_run_at_all_is_given_up_at_its_first_end(how: str) -> None:
    assert Ends({}, lambda _: how).saw(part(), process("BACKOFF", ended=5), {"crud"}) == how


def test_what_its_supervisor_has_given_up_is_given_up() -> None:
    assert (
        Ends({}, lambda _: "exit status 1").saw(part(), process("FATAL", 2), {"crud"})
        == "its supervisor has given up (exit status 1)"
    )


def test_one_that_ends_again_and_again_is_given_up() -> None:
    ends = Ends({}, lambda _: "exit status 1")
    for time in range(1, ENOUGH_ENDS):
        assert ends.saw(part(), process("BACKOFF", ended=time), {"crud"}) == ""
        assert ends.saw(part(), process("STARTING", ended=time), {"crud"}) == ""
    assert ends.saw(part(), process("RUNNING", ended=ENOUGH_ENDS), {"crud"}) == "it ended 3 times (exit status 1)"


def test_ends_while_a_neighbour_is_missing_count_for_nothing() -> None:
    ends = Ends({}, lambda _: "exit status 1")
    for time in range(1, 20):
        assert ends.saw(part("postgres"), process("BACKOFF", ended=time), {"postgres", "crud"}) == ""


def test_a_job_that_ended_well_has_not_failed() -> None:
    ends = Ends({}, lambda _: "exit status 1")
    for time in range(1, 20):
        assert ends.saw(part(once=True), process("EXITED", 0, ended=time), {"crud"}) == ""


def test_what_ended_before_is_not_held_against_it() -> None:
    ends = Ends({"crud": process("STARTING", ended=5)}, lambda _: "exit status 126")
    assert ends.saw(part(), process("STARTING", ended=5), {"crud"}) == ""


def test_it_is_told_with_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "crud.log"
    log.write_text("".join(f"line {number}\n\n" for number in range(2_000)) + "FATAL: no room\n")

    told = account("crud", "exit code 1", log).splitlines()

    assert told[0] == "crud does not start: exit code 1"
    assert told[-3:] == ["  line 1999", "  FATAL: no room", f"  (its whole log: {log})"]
    assert len(told) == 10


def test_one_that_has_said_nothing_is_told_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "crud.log"
    assert account("crud", "exit code 1", log) == f"crud does not start: exit code 1\n  (its whole log: {log})"
