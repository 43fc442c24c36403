"""The hooks that others' repositories take from this one."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
FOLDERS = ["examples/services", "examples/tenants"]


def run(hook: dict[str, Any], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As pre-commit runs a hook of Python: in the repository that is checked, with its environment's commands first."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ROWCAST_DATABASE_URL": "postgresql://nobody@localhost:1/none",
    }
    command = [*shlex.split(hook["entry"]), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_there_is_a_hook_that_checks_and_one_that_tests() -> None:
    assert [hook["id"] for hook in HOOKS] == ["rowcast-renderer-check", "rowcast-renderer-test"]
    how_to = (ROOT / "docs" / "how-to" / "write-a-declaration.md").read_text()
    assert [hook["id"] for hook in HOOKS if f"id: {hook['id']}" not in how_to] == []


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_passes_on_the_examples_without_a_database(hook: dict[str, Any]) -> None:
    done = run(hook, ROOT, *FOLDERS)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_fails_on_a_declaration_with_a_mistake(hook: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "services", tmp_path / "renderers")
    file = tmp_path / "renderers" / "services.yaml"
    file.write_text(file.read_text().replace("${row.path}", "${row.paht}"))

    done = run(hook, tmp_path, "renderers")

    assert done.returncode == 1
    assert "renderers/services.yaml:20:24: spec.manifests[0]" in done.stdout + done.stderr


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_that_is_told_of_no_file_says_so(hook: dict[str, Any]) -> None:
    done = run(hook, ROOT)

    assert done.returncode == 2
    assert "Missing argument" in done.stderr
