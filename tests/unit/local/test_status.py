from pathlib import Path

from rowcast_local.part import Part
from rowcast_local.program import Program
from rowcast_local.status import judge
from rowcast_local.supervise import ProcessState

NOW = 1_000.0


def part(*needs: str) -> Part:
    program = Program("crud", ("crud",), environment={}, directory=Path("/"))
    return Part(program, lambda: True, port=8100, needs=needs)


def process(pid: int | None) -> ProcessState:
    return ProcessState("crud", "RUNNING" if pid else "BACKOFF", since=NOW - 30, pid=pid, exit_code=0)


def test_a_part_that_answers_is_ready_since_its_process_began() -> None:
    status = judge(part(), process(7), ready=True, unready=set(), now=NOW)
    assert (status.state, status.seconds, status.waits_for) == ("ready", 30.0, "")


def test_a_job_that_ended_well_is_done() -> None:
    assert judge(part(), process(None), ready=True, unready=set(), now=NOW).state == "done"


def test_a_part_that_runs_but_is_not_ready_says_what_it_waits_for() -> None:
    status = judge(part("postgres", "kafka"), process(7), ready=False, unready={"postgres", "crud"}, now=NOW)
    assert (status.state, status.waits_for) == ("starting", "postgres")


def test_a_part_that_waits_for_nobody_points_to_its_log() -> None:
    status = judge(part("postgres"), process(None), ready=False, unready={"crud"}, now=NOW)
    assert (status.state, status.waits_for) == ("down", "./task logs -- crud")


def test_a_part_without_a_process_is_down() -> None:
    assert judge(part(), None, ready=False, unready={"crud"}, now=NOW).state == "down"
