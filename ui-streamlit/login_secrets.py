"""Streamlit's secrets as they are now: what they hold, why they can't be read, and whether a file was ever there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, Final

import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitSecretNotFoundError

import login
from login import Login

FILES: Final = "secrets.files"
_LOG: Final = logging.getLogger("rowcast.ui")


class Door:
    """Judges the login anew at each call, and logs what is wrong with it whenever that changes.

    It remembers that there was a file: one that vanishes while the dashboard runs opens nothing.
    """

    def __init__(self) -> None:
        self._there = False
        self._said: str | None = None
        self._lock = Lock()

    def look(self) -> Login:
        """Return what the login is; raises nothing."""
        self._there = self._there or config.is_manually_set(FILES) or _any(config.get_option(FILES))
        secrets, trouble = _read()
        found = login.judge(os.environ.get(login.SETTING, ""), secrets, trouble, there=self._there)
        with self._lock:
            if found.complaint != self._said:
                if found.complaint:
                    _LOG.error("nobody gets in: %s", found.complaint)
                else:
                    _LOG.warning("the login is mended")
                self._said = found.complaint
        return found


def _any(places: Iterable[str]) -> bool:
    # A link that leads nowhere, or a folder without permission, is something that should be read and can't.
    return any(os.path.lexists(place) or not _searchable(os.path.dirname(place)) for place in places)


def _searchable(folder: str) -> bool:
    return not os.path.lexists(folder) or os.access(folder, os.X_OK)


def _read() -> tuple[Mapping[str, Any] | None, str | None]:
    try:
        return st.secrets.to_dict(), None
    except StreamlitSecretNotFoundError as error:
        return None, str(error)
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


DOOR = Door()
