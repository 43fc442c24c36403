"""`./task` on a machine that lacks what it begins with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rowcast_local.paths import CHECKOUT
from unit.local.bare_machine import program

NO_GIT = "task: git is missing; get it from your system's packages (apt install git, brew install git)"
NO_PYTHON = "task: Python 3.11 or newer is missing; get it from your system's packages or python.org"
NO_ENSUREPIP = "task: this Python lacks ensurepip; get it with: apt install python3-venv (or python3-full)"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh one, beside a folder `bin` that has all programs of the machine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    dirname = shutil.which("dirname")
    assert dirname
    (programs / "dirname").symlink_to(dirname)
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copy2(CHECKOUT / "task", folder)
    return folder


def python(checkout: Path, lacks: str = "") -> None:
    """A Python that says what it is to run, and fails where it is asked for what it `lacks`."""
    refuse = f'case "$*" in *{lacks}*) exit 1;; esac; ' if lacks else ""
    program(checkout.parent / "bin", "python3", f'{refuse}case "$1" in -c) ;; *) echo "runs $*";; esac')


def task(checkout: Path, *words: str) -> tuple[int, str]:
    environment = {**os.environ, "PATH": str(checkout.parent / "bin")}
    ran = subprocess.run(
        ["/bin/sh", checkout / "task", *words], env=environment, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_all_that_a_bare_machine_lacks_is_said_at_once(checkout: Path) -> None:
    assert task(checkout, "up") == (1, f"{NO_GIT}\n{NO_PYTHON}\n")


def test_a_python_that_can_make_no_environment_is_said_with_the_rest(checkout: Path) -> None:
    python(checkout, lacks="ensurepip")
    assert task(checkout, "up") == (1, f"{NO_GIT}\n{NO_ENSUREPIP}\n")


def test_an_environment_that_is_made_needs_no_ensurepip(checkout: Path) -> None:
    python(checkout, lacks="ensurepip")
    program(checkout.parent / "bin", "git", "true")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    program(checkout / ".venv" / "bin", "python", "true")
    assert task(checkout, "up", "-x") == (0, f"runs {checkout}/tools/bootstrap.py up -x\n")


def test_an_old_python_is_none(checkout: Path) -> None:
    python(checkout, lacks="version_info")
    program(checkout.parent / "bin", "git", "true")
    assert task(checkout, "up") == (1, f"{NO_PYTHON}\n")
