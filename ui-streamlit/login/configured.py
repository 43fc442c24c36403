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

from login import providers
from login.providers import Login

FILES: Final = "secrets.files"
NO_SECRETS: Final = "no-secrets-found"
"""How Streamlit's error is called that says that there is no file at all."""
_LOG: Final = logging.getLogger("rowcast.ui")


class ConfiguredLogin:
    """Judges the login anew at each call, and logs what is wrong with it whenever that changes.

    It remembers that there was a file: one that vanishes while the dashboard runs lets nobody in.
    """

    def __init__(self) -> None:
        self._there = False
        self._said: str | None = None
        self._lock = Lock()

    def state(self) -> Login:
        """Return what the login is; raises nothing."""
        secrets, trouble = _read()
        # A link that leads nowhere is something that should be read and can't; Streamlit takes it for nothing.
        there = trouble is not None or config.is_manually_set(FILES) or any(map(os.path.lexists, _places()))
        self._there = self._there or there
        setting, hours = (os.environ.get(name, "") for name in (providers.SETTING, providers.HOURS))
        state = providers.judge(setting, secrets, trouble, there=self._there, hours=hours)
        with self._lock:
            if state.complaint != self._said:
                if state.complaint:
                    _LOG.error("nobody gets in: %s", state.complaint)
                else:
                    _LOG.warning("the login is mended")
                self._said = state.complaint
        return state


def _places() -> Iterable[str]:
    places: Iterable[str] = config.get_option(FILES)
    return places


def _read() -> tuple[Mapping[str, Any] | None, str | None]:
    """Return the secrets, or None and why they can't be read; None twice where there are none."""
    try:
        return st.secrets.to_dict(), None
    except StreamlitSecretNotFoundError as error:
        return None, None if error.error_id == NO_SECRETS else str(error)
    except Exception as error:
        # Streamlit passes on whatever reading a file can raise, and none of it may let anybody in.
        return None, f"{type(error).__name__}: {error}"


LOGIN = ConfiguredLogin()
