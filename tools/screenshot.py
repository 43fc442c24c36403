"""Take the dashboard's picture for the README and the docs: headless Chromium over its DevTools protocol.

    python tools/screenshot.py http://127.0.0.1:8501 docs/images/dashboard.svg --wait-text "of 18" --dark

waits until the page holds the given text or CSS selector (never a fixed time), and writes the view. The ending of
the file's name decides how: `.png` is the plain screenshot; `.svg` is an SVG that carries the screenshot as WebP in
base64. Real vectors (printToPDF, then pdftocairo) were rejected for the SVG: the table is a canvas, which a PDF
holds as a blurred bitmap beside outlined text, at several times the size. Nothing binary goes into Git this way, and
a forge shows the file like any picture.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

import websocket

FLAGS: Final = (
    "--headless",
    # Chromium refuses its sandbox as root, and CI is root; the only page it opens is ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
START_SECONDS: Final = 30.0
LIMIT_BYTES: Final = 300_000
QUALITIES: Final = (82, 70, 55, 40, 25)
MISSING: Final = "Chromium is not on PATH. On Debian: apt-get install chromium"
SETTLED: Final = "!document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stStatusWidget]')"


class UnableError(Exception):
    """The picture can't be taken; the text says why in one line."""


@dataclass(frozen=True)
class Shot:
    """What to picture: a URL, what must be there first, and the view in CSS pixels."""

    url: str
    selector: str | None = None
    text: str | None = None
    dark: bool = False
    width: int = 1440
    height: int = 900
    scale: float = 2.0
    timeout_s: float = 30.0

    @property
    def condition(self) -> str:
        """Return a JavaScript expression that is true when the page is ready to be pictured."""
        parts = ["document.readyState === 'complete'", SETTLED]
        if self.selector:
            parts.append(f"!!document.querySelector({json.dumps(self.selector)})")
        if self.text:
            parts.append(f"document.body.textContent.includes({json.dumps(self.text)})")
        return " && ".join(parts)


@dataclass
class Tab:
    """One page of the browser, spoken to by the DevTools protocol."""

    socket: websocket.WebSocket
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command and return its result; events in between are passed over. Raises UnableError."""
        number = next(self._ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer: dict[str, Any] = json.loads(self.socket.recv())
            if answer.get("id") == number:
                break
        if "error" in answer:
            raise UnableError(f"{method}: {answer['error'].get('message')}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, condition: str, timeout_s: float) -> None:
        """Return once the expression is true in the page; raise UnableError with what it shows if it never is."""
        deadline = time.monotonic() + timeout_s
        while not self._value(condition):
            if time.monotonic() > deadline:
                raise UnableError(f"The page is not ready after {timeout_s:.0f} s. It shows: {self._shown()}")
            # One frame, drawn by the page itself, paces the asking.
            self._value("new Promise(done => setTimeout(() => done(true), 50))")

    def _value(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    def _shown(self) -> str:
        return str(self._value("document.body.innerText"))[:300].replace("\n", " / ")


@contextmanager
def chromium() -> Iterator[Tab]:
    """Yield a tab of a fresh headless Chromium, which ends with the block. Raises UnableError if there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise UnableError(MISSING)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            socket = websocket.create_connection(_tab_address(Path(profile), browser), timeout=60)
            try:
                yield Tab(socket)
            finally:
                socket.close()
        finally:
            browser.terminate()
            browser.wait(timeout=10)


def _tab_address(profile: Path, browser: subprocess.Popen[bytes]) -> str:
    """Return the first tab's WebSocket URL, once the browser has written its port into its profile."""
    deadline = time.monotonic() + START_SECONDS
    written = profile / "DevToolsActivePort"
    while time.monotonic() < deadline and browser.poll() is None:
        lines = written.read_text().split() if written.exists() else []
        if lines:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json/list", timeout=5) as answer:
                pages = [tab for tab in json.load(answer) if tab["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise UnableError("Chromium did not start.")


def take(shot: Shot, *, as_webp: bool) -> bytes:
    """Return the view as PNG or WebP. Raises UnableError when the page never becomes ready."""
    with chromium() as tab:
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=shot.width,
            height=shot.height,
            deviceScaleFactor=shot.scale,
            mobile=False,
        )
        scheme = "dark" if shot.dark else "light"
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.call("Page.enable")
        tab.call("Page.navigate", url=shot.url)
        tab.wait_for(shot.condition, shot.timeout_s)
        return _webp(tab) if as_webp else _captured(tab, format="png")


def _captured(tab: Tab, **how: object) -> bytes:
    return base64.b64decode(tab.call("Page.captureScreenshot", **how)["data"])


def _webp(tab: Tab) -> bytes:
    """Return the view as a WebP that fits an SVG of the limit, or the smallest there is."""
    picture = b""
    for quality in QUALITIES:
        picture = _captured(tab, format="webp", quality=quality)
        if len(picture) * 1.37 < LIMIT_BYTES:  # base64 and its line ends
            break
    return picture


def svg(webp: bytes, shot: Shot, title: str) -> str:
    """Return an SVG of the view's size that carries the picture, titled for screen readers. Raises UnableError."""
    data = base64.b64encode(webp).decode()
    # Lines of a bearable length: a forge's and an editor's view of one 200 kB line is none.
    lines = "\n".join(data[at : at + 120] for at in range(0, len(data), 120))
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{shot.width}" height="{shot.height}" '
        f'viewBox="0 0 {shot.width} {shot.height}" role="img"><title>{title}</title>\n'
        f'<image width="{shot.width}" height="{shot.height}" href="data:image/webp;base64,\n{lines}"/></svg>\n'
    )
    if len(text) > LIMIT_BYTES:
        raise UnableError(
            f"The picture has {len(text)} bytes, more than the {LIMIT_BYTES} that a checkout should carry."
        )
    return text


def main(arguments: list[str] | None = None) -> int:
    """Take the picture that the command line names; 1 and one line on stderr if that can't be done."""
    parser = argparse.ArgumentParser(description="Take a picture of a page, once it is ready.")
    parser.add_argument("url")
    parser.add_argument("output", type=Path, help="*.svg or *.png")
    parser.add_argument("--wait-selector", help="CSS selector that must match first")
    parser.add_argument("--wait-text", help="text that the page must hold first")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1440, help="CSS pixels")
    parser.add_argument("--height", type=int, default=900, help="CSS pixels")
    parser.add_argument("--scale", type=float, default=2.0, help="device pixels per CSS pixel")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds")
    parser.add_argument("--title", default="The Rowcast dashboard")
    given = parser.parse_args(arguments)
    shot = Shot(
        url=given.url,
        selector=given.wait_selector,
        text=given.wait_text,
        dark=given.dark,
        width=given.width,
        height=given.height,
        scale=given.scale,
        timeout_s=given.timeout,
    )
    try:
        as_svg = given.output.suffix == ".svg"
        picture = take(shot, as_webp=as_svg)
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_bytes(svg(picture, shot, given.title).encode() if as_svg else picture)
    except UnableError as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
