"""The browser of the tests: found, or chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from rowcast_local.provision.browser import find_browser
from rowcast_local.provision.debian import PackageError


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any program."""
    monkeypatch.delenv("ROWCAST_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_browser_that_is_there_is_used(empty: Path) -> None:
    found = program(empty, "google-chrome")
    assert find_browser() == found


def test_the_one_that_was_chosen_goes_before_the_one_that_is_there(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(empty, "chromium")
    mine = program(empty, "my-browser")
    monkeypatch.setenv("ROWCAST_CHROMIUM", str(mine))
    assert find_browser() == mine


def test_one_that_was_chosen_and_is_not_there_is_named(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(empty, "chromium")
    monkeypatch.setenv("ROWCAST_CHROMIUM", "no-such-browser")
    with pytest.raises(PackageError, match="ROWCAST_CHROMIUM is 'no-such-browser'"):
        find_browser()


def test_where_there_is_none_there_is_none(empty: Path) -> None:
    assert find_browser() is None
