"""What the platform needs of this machine and can't get by itself: asked before anything is begun."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from rowcast_local.accounts import AccountError, service_account
from rowcast_local.errors import LocalError
from rowcast_local.paths import cache_folder, state_folder

CACHE, STATE = "ROWCAST_CACHE", "ROWCAST_STATE"
FOLDERS: Mapping[str, Callable[[], Path]] = {CACHE: cache_folder, STATE: state_folder}


class MachineError(LocalError):
    """The machine lacks something; the text has all of it, a line each, with what gets it."""


def lacking() -> list[str]:
    """What has to be got first, a line each; none if the platform can start."""
    lacks = unwritable(CACHE, STATE)
    try:
        service_account()
    except AccountError as error:
        lacks.append(f"{error} (useradd --system nobody)")
    return lacks


def unwritable(*names: str) -> list[str]:
    """Those folders, by the variables of FOLDERS, that can neither be written nor be made; a line each."""
    folders = {name: FOLDERS[name]() for name in names}
    return [
        f"{folder} can't be written: chown it, or name another by ${name}"
        for name, folder in folders.items()
        if not os.access(_there(folder), os.W_OK | os.X_OK)
    ]


def refuse(lacks: list[str]) -> None:
    """Raises MachineError with all of `lacks`, if there are any."""
    if lacks:
        raise MachineError("\n  ".join(lacks))


def _there(folder: Path) -> Path:
    # Asked of os.path, a folder that nobody lets us look into is not there, and no error.
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))
