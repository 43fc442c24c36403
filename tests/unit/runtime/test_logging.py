import json
import logging
from typing import Literal

import pytest

from rowcast.runtime.logging import configure_logging, get_logger, without_secrets


@pytest.fixture(autouse=True)
def _restored() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_json_object_with_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("crud")
    get_logger("rowcast.test").info("row saved", row_id=42)
    logging.getLogger("some.library").warning("it said %s", "so")
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (ours["event"], ours["row_id"], ours["service"], ours["level"]) == ("row saved", 42, "crud", "info")
    assert (theirs["event"], theirs["service"], theirs["logger"]) == ("it said so", "crud", "some.library")


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("crud", level="warning")
    get_logger("rowcast.test").info("not now")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_has_no_values_of_variables(
    capsys: pytest.CaptureFixture[str], log_format: Literal["json", "console"]
) -> None:
    configure_logging("crud", log_format)

    def connect(password: str) -> None:
        raise ValueError(f"{len(password)} characters")

    try:
        connect("hunt" + "er2")  # so that the line itself doesn't have it
    except ValueError:
        get_logger("rowcast.test").exception("unexpected error")
        logging.getLogger("some.library").exception("it failed")
    out = capsys.readouterr().out
    assert out.count("7 characters") == 2
    assert "connect" in out
    assert "hunter2" not in out


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "url",
    [
        "https://hunter2@git.example/x",
        "postgresql://rowcast:hunter2@db:5432/rowcast",
        "ssh://a%3Ahunter2@h/x",
        "https://h/x?private_token=hunter2&a=hunter2",
        "HTTPS://me:hunter2@h",
    ],
)
def test_a_url_is_logged_without_its_secrets(
    capsys: pytest.CaptureFixture[str], log_format: Literal["json", "console"], url: str
) -> None:
    configure_logging("crud", log_format)
    get_logger("rowcast.test").info("cloned", url=url, reason=f"fatal: unable to access '{url}': no")
    logging.getLogger("some.library").warning("GET %s failed", url)
    try:
        raise ValueError(f"{url} is no good")
    except ValueError:
        get_logger("rowcast.test").exception("unexpected error")
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "***" in out


def test_text_without_a_secret_stays_as_it_is() -> None:
    text = "ada@example.org opened https://h/a@b and git@h:x; is it so? at 12:00"
    assert without_secrets(text) == text
