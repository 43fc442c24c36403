"""The dashboard as a person has it before them: in a real browser, spoken to by what is seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
from playwright.sync_api import Browser, Locator, Page, Playwright, ViewportSize, expect

from keycloak_server import DASHBOARD, SECRET, Keycloak
from rowcast_local.platform import Platform
from rowcast_local.ports import free_ports
from rowcast_local.provision.browser import find_browser
from rowcast_local.provision.needs import CHROMIUM
from world import SETTLE_SECONDS, wait_until

FLAGS = (
    "--no-sandbox",  # Chromium refuses its sandbox as root, and CI is root; it opens nothing but our own pages
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
VIEW: ViewportSize = {"width": 1440, "height": 900}
PATIENCE_MS = 30_000
ARRIVED = re.compile("^(synced|healthy)$")
"""Of a configuration: what is in the cluster is healthy, what is in Git is synced."""
"""How long anything may take to be seen before a test gives up; no test waits for it to pass."""
ROW_HEIGHT = 36
APP = Path(__file__).parents[1] / "ui-streamlit" / "serve.py"


def launch(playwright: Playwright) -> Browser:
    """Start the machine's Chromium."""
    program = find_browser()
    assert program is not None, CHROMIUM.trouble()
    expect.set_options(timeout=PATIENCE_MS)
    return playwright.chromium.launch(executable_path=str(program), args=[*FLAGS])


@dataclass(frozen=True)
class Dashboard:
    """One person's window on the dashboard at `url`."""

    page: Page
    url: str

    def open(self, path: str = "", **query: str | int) -> Dashboard:
        """Go to an address of the dashboard, and wait until its page is there."""
        self.page.goto(f"{self.url}/{path}{'?' + urlencode(query) if query else ''}")
        expect(self.page.locator("h1").first).to_be_visible()
        return self

    def go(self, room: str) -> None:
        """Choose a room at the side."""
        self._rests()
        self.page.get_by_test_id("stSidebar").get_by_role("link", name=room).click()
        expect(self.page.get_by_role("heading", name=room, level=1)).to_be_visible()

    def be(self, person: str) -> None:
        """Say who one is."""
        self.write("You are", person)

    def log_in(self, person: str) -> None:
        """Log in at Keycloak, whose people have their names as passwords, and wait for the first page."""
        self.click("Log in")
        self.page.locator("#username").fill(person)
        self.page.locator("#password").fill(person)
        self.page.get_by_role("button", name="Sign In").click()
        self.titled("Configurations")

    def field(self, label: str) -> Locator:
        """The field that is called so."""
        return self.page.get_by_label(label, exact=True)

    def write(self, label: str, text: str) -> None:
        """Write into a field, and leave it."""
        self._rests()
        field = self.field(label)
        # While Streamlit exchanges a page's elements, the old one is still beside the new one.
        expect(field).to_have_count(1)
        field.fill(text)
        field.press("Tab")

    def click(self, name: str) -> None:
        """Press the button that is called so."""
        self._rests()
        self.button(name).click()

    def _rests(self) -> None:
        """Wait until no script runs: while one does, Streamlit may exchange what is being written into or clicked for
        another one, and what somebody did with the former is lost.
        """
        expect(self.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")

    def button(self, name: str) -> Locator:
        """The button that is called so; the key that presses it may stand beside its name."""
        return self.page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}( Shortcut .+)?$"))

    def tab(self, name: str) -> None:
        """Open the tab that is called so."""
        self.page.get_by_role("tab", name=name).click()

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def sees(self, text: str) -> None:
        """Wait until a text is to be seen."""
        expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible()

    def sees_not(self, text: str) -> None:
        """Wait until a text is no more to be seen."""
        expect(self.page.get_by_text(text).filter(visible=True)).to_have_count(0)

    def greyed(self, name: str, why: str) -> None:
        """Wait until a button can't be pressed, which may take as long as rights are kept, and its tooltip says why."""
        pressable = self.button(name).and_(self.page.locator(":enabled"))
        expect(pressable).to_have_count(0, timeout=SETTLE_SECONDS * 1000)
        self.page.get_by_test_id("stTooltipHoverTarget").filter(has=self.button(name)).hover()
        self.sees(why)

    def titled(self, title: str) -> None:
        """Wait until the page has this title."""
        expect(self.page.get_by_role("heading", name=title, level=1)).to_be_visible()

    def green(self, generation: int) -> None:
        """Wait until every target is seen to have this generation of the row that is open."""
        delivery = self.page.locator(".st-key-delivery")
        # First that it is told about this generation: a moment ago the badges were those of the one before.
        expect(delivery.get_by_text(re.compile(rf"· generation {generation}$"))).to_have_count(2)
        expect(delivery.get_by_text(ARRIVED)).to_have_count(2)

    def station(self, name: str) -> Locator:
        """A box in the picture of the pipeline."""
        return self.page.locator(f'[data-station="{name}"]')

    def figure(self, station: str, name: str) -> Locator:
        """A figure in a box of that picture."""
        term = self.page.locator("dt", has_text=re.compile(f"^{name}$"))
        return self.station(station).locator("dl div").filter(has=term).locator("dd")

    def row(self, name: str) -> Locator:
        """A line of the table, as a screen reader has it: what people see beside it is a canvas."""
        return self.page.locator("canvas tbody tr").filter(has=self._cell(name))

    def _cell(self, text: str) -> Locator:
        return self.page.locator("td", has_text=re.compile(f"^{re.escape(text)}$"))

    def choose_row(self, name: str, column: float = 60) -> None:
        """Press a line of the table, `column` pixels from its left."""
        expect(self.row(name)).to_have_count(1)
        index = int(self.row(name).get_attribute("aria-rowindex") or 0)
        canvas = self.page.locator("canvas").filter(has=self._cell(name)).first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        # By the mouse, not by the element: what scrolls the table lies over it.
        self.page.mouse.click(box["x"] + column, box["y"] + (index - 0.5) * ROW_HEIGHT)


def login_secrets(provider: Keycloak, port: int) -> str:
    """Streamlit's secrets for a dashboard that people reach at a port of the loopback, and log in to at Keycloak."""
    return f"""\
[auth]
redirect_uri = "http://127.0.0.1:{port}/oauth2callback"
cookie_secret = "{"s" * 40}"
client_id = "{DASHBOARD}"
client_secret = "{SECRET}"
server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"
"""


@contextmanager
def another(
    platform: Platform, environment: Mapping[str, str], *options: str, port: int | None = None
) -> Iterator[str]:
    """A second dashboard beside the platform's own, set differently; yields its address."""
    port = port or next(free_ports())
    url = f"http://127.0.0.1:{port}"
    sidecar = platform.blueprint.sidecar("ui").app_environment
    command = [str(Path(sys.executable).parent / "streamlit"), "run", str(APP)]
    flags = (f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true", *options)
    log = platform.state.logs / f"ui-{port}.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, *flags], env={**os.environ, **sidecar, **environment}, stdout=said, stderr=said
        )
        try:
            wait_until(lambda: httpx.get(f"{url}/livez", trust_env=False).is_success)
            yield url
        finally:
            # As the platform's own: it has been seen to hang in its goodbye, and keeps nothing.
            process.kill()
            process.wait(10)
