"""Pictures for the README and the docs, taken during the journeys: `ROWCAST_PICTURES=docs/images ./task test -- …`."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

import screenshot

FOLDER = "ROWCAST_PICTURES"
SCALE = 1.5
LIMIT_BYTES = 150_000
QUALITIES = (80, 70, 60, 50, 40, 30, 20)


def wanted() -> bool:
    """Whether this run takes pictures."""
    return bool(os.environ.get(FOLDER))


def take(page: Page, name: str, title: str, *, dark: bool = False, height: int = 0) -> None:
    """Write what the page shows, once it has settled, as `name`.svg; nothing where no pictures are wanted."""
    if not wanted():
        return
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(
        f"{screenshot.SETTLED} && getComputedStyle(document.querySelector('.stApp')).colorScheme === '{scheme}'"
    )
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": height or size["height"]})
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    session = page.context.new_cdp_session(page)
    data = b""
    for quality in QUALITIES:
        found = session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        data = base64.b64decode(found["data"])
        if len(data) * 1.37 < LIMIT_BYTES:  # base64 and its line ends
            break
    shot = screenshot.Shot(page.url, width=size["width"], height=height or size["height"])
    Path(os.environ[FOLDER], f"{name}.svg").write_text(screenshot.svg(data, shot, title))
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size)
