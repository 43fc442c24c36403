"""The commands of the page on who may do what do what it says."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rowcast.cli import app

PAGE = Path(__file__).parents[3] / "docs/how-to/decide-who-may-do-what.md"
BLOCKS = re.findall(r"```sh(?: exit=(\d))?\n(.*?)```", PAGE.read_text(), re.DOTALL)
COMMANDS = [
    (line, int(code or 0)) for code, block in BLOCKS for line in block.splitlines() if line.startswith("rowcast ")
]
"""What kubectl is told there, the test of a real API server's tokens tells it."""


@pytest.fixture(autouse=True)
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    [text] = re.findall(r"```csv file=policy.csv\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "policy.csv"
    path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.mark.parametrize(("command", "code"), COMMANDS)
def test_the_pages_commands(command: str, code: int) -> None:
    result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == code, result.output
    if "explain" in command:
        assert result.output.startswith("not allowed: " if code else "allowed: line ")


def test_a_wrong_policy_is_refused_by_its_lines(policy: Path) -> None:
    policy.write_text("p, ada, rows, update, */*, allow\n")
    result = CliRunner().invoke(app, ["access", "check", str(policy)])
    assert result.exit_code == 1
    assert "line 1: the verb 'update'" in result.output


def test_without_a_policy_it_must_be_said_whom_it_is_about(policy: Path) -> None:
    result = CliRunner().invoke(app, ["access", "explain", "edit", "tenants", "--policy", str(policy)])
    assert result.exit_code == 2
    assert "--as" in result.output


def test_it_is_said_that_a_change_would_be_a_proposal_and_by_which_line(policy: Path) -> None:
    policy.write_text("p, ada, rows, *, tenants/*, allow\napproval, tenants/prod\n")
    asked = ["access", "explain", "--policy", str(policy), "--as", "ada", "edit", "tenants"]
    assert "somebody else approves: approval, tenants/prod" in CliRunner().invoke(app, [*asked, "prod"]).output
    assert "approval" not in CliRunner().invoke(app, [*asked, "dev"]).output


def test_an_unknown_verb_is_no_refusal(policy: Path) -> None:
    arguments = ["access", "explain", "--policy", str(policy), "--as", "ada", "update", "tenants"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "update is none of rows/view" in result.output
