"""The browser in which the dashboard is tested and pictured: Chromium, as the machine has it."""

import os
import shutil
from pathlib import Path

from rowcast_local.provision.debian import PackageError

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHOSEN = "ROWCAST_CHROMIUM"


def find_browser() -> Path | None:
    """The program that $ROWCAST_CHROMIUM names, else the first that is on $PATH.

    Raises PackageError if there is none of the name that was chosen.
    """
    chosen = os.environ.get(CHOSEN)
    found = next(filter(None, (shutil.which(name) for name in ((chosen,) if chosen else NAMES))), None)
    if chosen and found is None:
        raise PackageError(f"{CHOSEN} is {chosen!r}: there is no such program")
    return Path(found) if found else None
