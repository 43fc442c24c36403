"""What the tests want of the machine: said first where it is missing, left out and named in the end, an error in CI."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from rowcast_local.provision.debian import PackageError
from rowcast_local.provision.needs import Need, must_be_whole, on_path, refuse_or_say, settle_needs
from rowcast_local.provision.progress import Progress
from unit.local.bare_machine import program

CHECKOUT = Path(__file__).parents[3]
WEAVER = Need("weaver", "weaver-bin", partial(on_path, "weaver"), "woven things")


def missing() -> list[str]:
    return settle_needs(Progress(Console(file=io.StringIO())), [WEAVER])


def test_what_is_there_and_runs_is_not_missing(machine: Path) -> None:
    program(machine, "weaver", "echo weaver 1.0")
    assert missing() == []


def test_what_is_not_there_is_named_with_its_package_and_its_tests(machine: Path) -> None:
    assert missing() == ["no weaver here (apt-get install weaver-bin): woven things"]


def test_what_lacks_a_library_does_not_run_and_says_so(machine: Path) -> None:
    path = program(machine, "weaver", "echo error while loading shared libraries: libloom.so >&2; exit 127")
    assert missing() == [f"{path} does not run: error while loading shared libraries: libloom.so: woven things"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can install")
def test_what_can_be_installed_is(machine: Path) -> None:
    ours = machine / "weaver"
    program(machine, "apt-get", f"printf '#!/bin/sh\n' > {ours}; /bin/chmod +x {ours}")
    assert missing() == []


def test_one_line_says_all_that_is_left_out() -> None:
    line = refuse_or_say(["no a here: x", "no b here: y"], {})
    assert line == "Left out here: no a here: x; no b here: y. All else is run."
    assert refuse_or_say([], {"CI": "true"}) == ""


def test_in_ci_nothing_may_be_missing() -> None:
    with pytest.raises(PackageError, match="missing here: no a here: x"):
        refuse_or_say(["no a here: x"], {"CI": "true"})


@pytest.mark.parametrize(("value", "whole"), [("true", True), ("1", True), ("false", False), ("0", False), ("", False)])
def test_ci_is_what_every_ci_says_it_is(value: str, whole: bool) -> None:
    assert must_be_whole({"CI": value}) is whole


def run(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    """The journeys in the browser and one unit test, on a machine that has nothing but git."""
    (folder / "git").symlink_to(shutil.which("git") or "")
    environment = {**os.environ, "PATH": str(folder), "ROWCAST_CHROMIUM": "", "CI": ci}
    # None of its tests goes without a browser: nothing is started for the others.
    tests = ["tests/browser/test_many_rows.py", "tests/unit/local/test_paths.py"]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_without_a_browser_the_rest_is_run_and_what_was_left_out_is_named_last(tmp_path: Path) -> None:
    ran = run(tmp_path, ci="")

    assert ran.returncode == 0, ran.stdout
    first, _, rest = ran.stdout.partition("collected")
    assert "missing here: no Chromium here (apt-get install chromium): the dashboard in a browser" in first
    section = rest.partition("left out on this machine")[2]
    assert "no Chromium here (apt-get install chromium): " in section
    assert "tests of tests/browser/test_many_rows.py" in section
    assert " passed" in section


def test_in_ci_without_a_browser_its_tests_fail(tmp_path: Path) -> None:
    ran = run(tmp_path, ci="true")

    assert ran.returncode == 1
    assert "with CI set, every test must run: no Chromium here" in ran.stdout
