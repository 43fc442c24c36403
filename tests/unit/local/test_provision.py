import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from rowcast_local.provision.commands import Commands
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.step import Build, Step, StepError


@pytest.fixture
def progress() -> Progress:
    return Progress(Console(file=io.StringIO()))


def writing(text: str) -> Build:
    def build(folder: Path, _: Commands) -> None:
        (folder / "content").write_text(text)

    return build


def test_a_step_leaves_a_whole_target_and_how_long_it_took(tmp_path: Path, progress: Progress) -> None:
    target = tmp_path / "part-1"
    run_steps([Step("part", target, writing("whole"))], tmp_path, progress)
    assert (target / "content").read_text() == "whole"
    assert float((tmp_path / "durations" / "part-1").read_text()) >= 0


def test_a_target_that_is_there_is_not_made_again(tmp_path: Path, progress: Progress) -> None:
    target = tmp_path / "part-1"
    target.mkdir()
    run_steps([Step("part", target, writing("again"))], tmp_path, progress)
    assert not (target / "content").exists()


def test_a_step_begins_when_what_it_needs_is_done(tmp_path: Path, progress: Progress) -> None:
    first = Step("first", tmp_path / "first", writing("1"))

    def build(folder: Path, _: Commands) -> None:
        (folder / "content").write_text((first.target / "content").read_text() + "2")

    second = Step("second", tmp_path / "second", build, needs=("first",))
    run_steps([second, first], tmp_path, progress)
    assert (second.target / "content").read_text() == "12"


def test_steps_without_needs_run_side_by_side(tmp_path: Path, progress: Progress) -> None:
    together = threading.Barrier(2, timeout=20)

    def build(_: Path, __: Commands) -> None:
        together.wait()

    run_steps([Step(name, tmp_path / name, build) for name in "ab"], tmp_path, progress)


def test_a_failed_command_is_told_with_its_last_words_and_leaves_nothing(tmp_path: Path, progress: Progress) -> None:
    def build(folder: Path, commands: Commands) -> None:
        commands.run("sh", "-c", "echo no room left; exit 3", folder=folder)

    with pytest.raises(StepError, match=r"part: .*code 3:\n  no room left"):
        run_steps([Step("part", tmp_path / "part-1", build)], tmp_path, progress)
    assert not list(tmp_path.glob("part-1*"))


def test_what_an_interrupted_run_left_is_swept_away(tmp_path: Path, progress: Progress) -> None:
    left = tmp_path / "part-1.partial-12345"
    left.mkdir()
    run_steps([Step("part", tmp_path / "part-1", writing("whole"))], tmp_path, progress)
    assert not left.exists()


def test_a_failure_ends_the_commands_of_the_other_steps(tmp_path: Path, progress: Progress) -> None:
    started = threading.Event()

    def endless(folder: Path, commands: Commands) -> None:
        started.set()
        commands.run("sleep", "300", folder=folder)

    def failing(folder: Path, commands: Commands) -> None:
        assert started.wait(20)
        commands.run("false", folder=folder)

    steps = [Step("endless", tmp_path / "endless", endless), Step("failing", tmp_path / "failing", failing)]
    with pytest.raises(StepError, match="failing"):
        run_steps(steps, tmp_path, progress)
    assert not (tmp_path / "endless").exists()
