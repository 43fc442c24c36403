"""A browser for each file of journeys, and a window for each person in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, sync_playwright

import pictures
from dashboard import VIEW, Dashboard, launch
from world import World

HERE = Path(__file__).parent
Windows = Callable[..., Dashboard]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium. Not for the whole session: while it is there, no test can have an event loop of its own."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def windows(browser: Browser, world: World) -> Iterator[Windows]:
    """Makes windows, each of another person with cookies of their own."""
    numbers = count(1)
    with ExitStack() as stack:

        def window(person: str = "", url: str = "") -> Dashboard:
            scale = pictures.SCALE if pictures.wanted() else 1
            # What moves on the page is drawn without a graphics card: it took a quarter of the time that a page needs.
            context = browser.new_context(viewport=VIEW, device_scale_factor=scale, reduced_motion="reduce")
            stack.callback(context.close)
            # No page needs anybody but this machine.
            context.route(lambda address: urlsplit(address).hostname != "127.0.0.1", lambda route: route.abort())
            opened = Dashboard(context.new_page(), url or world.env["ROWCAST_UI_URL"])
            opened.page.set_default_timeout(30_000)
            if not url:
                opened.open()
                opened.be(person or f"person-{next(numbers)}")
            return opened

        yield window


@pytest.fixture(autouse=True)
def clean(world: World) -> Iterator[None]:
    """What a journey creates goes in its end."""
    with world.sql() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM app_configs")
        (last,) = cursor.fetchone() or (0,)
    yield
    with world.sql() as cursor:
        cursor.execute("DELETE FROM app_configs WHERE id > %s", (last,))
    world.settled()


@pytest.fixture
def ada(windows: Windows) -> Dashboard:
    """Ada's window, on the list."""
    return windows("ada")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists the journeys with their times."""
    passed = [
        report for report in terminalreporter.getreports("passed") if Path(report.fspath).parent.name == HERE.name
    ]
    if passed:
        terminalreporter.section("journeys in the browser")
    for report in passed:
        terminalreporter.write_line(f"{report.duration:6.1f} s  {report.nodeid.rpartition('::')[2]}")
