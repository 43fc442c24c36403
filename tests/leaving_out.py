"""Tests that this machine can't run: skipped with the reason, and named in the end; with CI set they fail instead."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import NoReturn

import pytest

from rowcast_local.provision.needs import CHROMIUM, NEEDS, Need, must_be_whole

PREFIX = "left out: "
BY_FIXTURE = {"browser": CHROMIUM}
"""What a fixture can't do without; its tests are left out before they start a platform."""


def leave_out(why: str, *, optional: bool = False) -> NoReturn:
    """Skip the test that is running; fail it where all must run, unless it is of what only a release needs."""
    if must_be_whole() and not optional:
        pytest.fail(f"with CI set, every test must run: {why}")
    pytest.skip(PREFIX + why)


@cache
def trouble(need: Need) -> str:
    """Why it can't be had; empty if it can."""
    return need.trouble()


def require(need: Need) -> None:
    """Leave the test out if the machine hasn't this."""
    if why := trouble(need):
        leave_out(why)


def before(item: pytest.Item) -> None:
    """Leave a test out whose fixtures can't be had, before any of them begins."""
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in BY_FIXTURE:
            require(BY_FIXTURE[fixture])


def header() -> str:
    """The first line of a run; empty where nothing is missing."""
    missing = [f"{why}: {need.tests}" for need in NEEDS if (why := trouble(need))]
    return f"missing here: {'; '.join(missing)}" if missing else ""


def summary(reports: list[pytest.TestReport]) -> list[str]:
    """A line for each reason: how many tests, and of which files."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        _, left_out, why = reason.partition(PREFIX)
        if left_out:
            by_reason[why].append(report.nodeid)
    return [
        f"{why}: {len(tests)} tests of {', '.join(sorted({test.partition('::')[0] for test in tests}))}"
        for why, tests in sorted(by_reason.items())
    ]
