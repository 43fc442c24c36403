import json
import logging

import pytest

from rowcast.runtime.logging import configure_logging, get_logger


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
