"""The files that other people's tools read: a mistake in them is seen there first, and here not at all."""

from __future__ import annotations

import configparser
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[3]
GITHUB = CHECKOUT / ".github"
OWNERS = [
    line.split()
    for line in (GITHUB / "CODEOWNERS").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


@pytest.mark.parametrize("line", OWNERS, ids=lambda line: line[0])
def test_what_has_owners_is_there_and_owners_are_people_or_teams(line: list[str]) -> None:
    pattern, *owners = line
    assert pattern == "*" or (CHECKOUT / pattern.strip("/")).exists()
    assert owners
    assert [owner for owner in owners if not owner.startswith("@")] == []


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_for_something_by_ids_of_its_own(path: Path) -> None:
    form: dict[str, Any] = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields) > 0


def test_the_hooks_before_a_commit_are_tools_of_the_environment() -> None:
    repositories = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system"
        assert os.access(CHECKOUT / hook["entry"].split()[0], os.X_OK), hook["entry"]


def test_a_container_to_work_in_is_made_from_a_file_that_is_there() -> None:
    folder = CHECKOUT / ".devcontainer"
    container = json.loads((folder / "devcontainer.json").read_text())
    (argument,) = container["build"]["args"]
    dockerfile = (folder / container["build"]["dockerfile"]).read_text()
    assert f"ARG {argument}=" in dockerfile
    assert f"useradd --create-home --shell /bin/bash {container['remoteUser']}" in dockerfile


def test_what_is_raised_by_a_robot_are_the_locked_files() -> None:
    renovate = json.loads((CHECKOUT / "renovate.json").read_text())
    assert {rule for package in renovate["packageRules"] for rule in package.get("matchManagers", [])} <= set(
        renovate["enabledManagers"]
    )
    assert "pip_requirements" in renovate["enabledManagers"]


def test_the_line_of_an_editor_is_as_long_as_the_linter_allows() -> None:
    editor = configparser.ConfigParser()
    editor.read_string("[top]\n" + (CHECKOUT / ".editorconfig").read_text())
    assert editor["*.py"]["max_line_length"] == "120"
    assert "line-length = 120" in (CHECKOUT / "pyproject.toml").read_text()
