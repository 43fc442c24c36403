"""The browser in which the dashboard is tested and pictured: Chromium, as the machine has it."""

import os
import shutil
from pathlib import Path

from rowcast_local.provision import debian
from rowcast_local.provision.debian import PackageError
from rowcast_local.provision.progress import Progress

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHOSEN = "ROWCAST_CHROMIUM"


def find_browser() -> Path | None:
    """The program that $ROWCAST_CHROMIUM names, else the first that is on $PATH."""
    names = (os.environ[CHOSEN],) if os.environ.get(CHOSEN) else NAMES
    found = next(filter(None, (shutil.which(name) for name in names)), None)
    return Path(found) if found else None


def provide_browser(progress: Progress) -> Path:
    """The browser, installed if it is missing. Raises PackageError with one line that says how to get it."""
    if os.environ.get(CHOSEN) and find_browser() is None:
        raise PackageError(f"{CHOSEN} is {os.environ[CHOSEN]!r}: there is no such program")
    if find_browser() is None:
        debian.provide(progress, {"chromium": "chromium"})
    found = find_browser()
    if found is None:
        raise PackageError(f"no browser here: apt-get install chromium, or set {CHOSEN} to a Chromium or Chrome")
    return found
