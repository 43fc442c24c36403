"""The workflows: valid, nothing taken that may change, and nothing in them that can't be tried on a machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rowcast_local.provision.tools import tool

CHECKOUT = Path(__file__).parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github/workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in yaml.safe_load(workflow.read_text())["jobs"].values() for step in job["steps"]]


@each_workflow
def test_a_workflow_is_valid(workflow: Path) -> None:
    done = subprocess.run(
        # What is on one machine and not on another must not decide.
        [tool("actionlint"), "-shellcheck=", "-pyflakes=", workflow],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_workflow
def test_an_action_is_named_by_its_commit_and_says_its_version(workflow: Path) -> None:
    used = re.findall(r"^ *(?:- )?uses: (.+)$", workflow.read_text(), re.MULTILINE)

    assert used
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", name)] == []


@each_workflow
def test_what_a_workflow_runs_is_a_task(workflow: Path) -> None:
    tasks = yaml.safe_load((CHECKOUT / "Taskfile.yml").read_text())["tasks"]
    commands = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]

    assert commands
    for command in commands:
        program, name, *_ = command.split()
        assert program == "./task"
        assert name in tasks


@each_workflow
def test_only_the_job_that_publishes_may_write(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text())

    assert content["permissions"] == {"contents": "read"}
    assert [name for name, job in content["jobs"].items() if "permissions" in job] == ["publish"]
