"""What a person waits for, as a real browser sees it: the first table, and a badge turning green."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import httpx
import psycopg2
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bench.way import PATIENCE
from dashboard import VIEW, Dashboard, launch
from rowcast_local.platform import Platform

TABLE = "canvas tbody tr"
"""The lines of the table, as a screen reader has them; they are there once the table is drawn."""


@dataclass(frozen=True)
class Waits:
    """Seconds, one for each try."""

    what: str
    seconds: list[float]

    def line(self) -> str:
        """For people."""
        return (
            f"  {self.what:<58} n={len(self.seconds):<3} "
            f"p50 {median(self.seconds):.2f} s, min {min(self.seconds):.2f} s, max {max(self.seconds):.2f} s"
        )


def measure(platform: Platform, rows: int, rounds: int) -> list[Waits]:
    """Measure with `rows` rows in the table, all delivered before."""
    env = platform.env()
    with psycopg2.connect(env["ROWCAST_DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO app_configs (name, repository_url, branch, environment) "
            "SELECT 'bench-' || n, 'https://git.example.com/shop/bench.git', 'main', 'env-' || n %% 5 "
            "FROM generate_series(1, %s) AS n",
            (rows,),
        )
    _delivered(env["ROWCAST_CRUD_URL"], rows)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            return [
                Waits("address entered to first table, a browser's first time", _opening(browser, env, rounds)),
                Waits("address entered to first table, later", _opening_again(browser, env, rounds)),
                Waits("Save pressed to both badges green", _saving(browser, env, rounds)),
            ]
        finally:
            browser.close()


def _delivered(crud: str, rows: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = httpx.get(f"{crud}/appconfigs", params={"state": "synced", "limit": 1}, timeout=60, trust_env=False)
        if answer.is_success and answer.json()["total"] >= rows:
            return
        time.sleep(1)
    raise TimeoutError(f"{rows} rows have not arrived everywhere")


def _opening(browser: Browser, env: dict[str, str], rounds: int) -> list[float]:
    # The first page of all is left out: the server imports for it what it has from then on.
    found = []
    for _ in range(rounds + 1):
        with _page(browser) as page:
            found.append(_opened(page, env["ROWCAST_UI_URL"]))
    return found[1:]


def _opening_again(browser: Browser, env: dict[str, str], rounds: int) -> list[float]:
    with _page(browser) as page:
        found = [_opened(page, env["ROWCAST_UI_URL"]) for _ in range(rounds + 1)]
    return found[1:]


def _opened(page: Page, url: str) -> float:
    page.goto("about:blank")
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.locator(TABLE).first.wait_for(state="attached")
    return time.perf_counter() - started


def _saving(browser: Browser, env: dict[str, str], rounds: int) -> list[float]:
    found = []
    with _page(browser) as page:
        dashboard = Dashboard(page, env["ROWCAST_UI_URL"]).open(id=1)
        for number in range(rounds):
            dashboard.green(number + 1)
            dashboard.write("Branch", f"measured-{number}")
            button = dashboard.button("Save")
            expect(button).to_be_enabled()
            started = time.perf_counter()
            button.click()
            dashboard.green(number + 2)
            found.append(time.perf_counter() - started)
    return found


@contextmanager
def _page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=VIEW)
    try:
        yield context.new_page()
    finally:
        context.close()
