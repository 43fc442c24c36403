"""What `rowcast connector apply` prints and exits with."""

import pytest
from typer.testing import CliRunner

from rowcast.connector.cli import app


def test_a_connect_that_never_answers_ends_with_the_reason_and_code_1(free_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"
    result = CliRunner().invoke(app, ["apply", "--connect-url", url, "--timeout", "0.1"])
    assert result.exit_code == 1
    assert f"error: no answer from {url}" in result.output


def test_a_setting_that_rowcast_relies_on_is_code_2() -> None:
    result = CliRunner().invoke(app, ["apply", "--connect-url", "http://127.0.0.1:1", "--set", "tasks.max=4"])
    assert (result.exit_code, "--set tasks.max: Rowcast relies on its value" in result.stderr) == (2, True)


@pytest.fixture
def free_tcp_port() -> int:
    return 1  # privileged, and nobody serves tcpmux
