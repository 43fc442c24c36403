"""Buttons whose click is kept until what it is for begins.

Streamlit tells of a click in one run only. A run that is ended before it comes to the button, by another part of the
page that draws it anew or by the browser, takes the click with it, and nothing happens. Its callbacks are called before
a run draws anything, so a click is noted in one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

SECONDS: Final = 30.0
"""How long a click is kept. What is done later than that, nobody expects any more."""
_KEPT: Final = "clicks"


class Clicks:
    """The clicks of one session that nothing was done about yet, by their buttons."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._at: dict[str, float] = {}
        self._clock = clock

    def note(self, button: str) -> None:
        """Note a click."""
        self._at[button] = self._clock()

    def take(self, button: str) -> bool:
        """Tell whether a button was clicked, once for each click."""
        at = self._at.pop(button, None)
        return at is not None and self._clock() - at < SECONDS

    def forget(self) -> None:
        """Forget those that nothing was done about."""
        self._at.clear()


def button(label: str, *, key: str | None = None, **looks: Any) -> bool:
    """Draw a button, and tell whether it was clicked. `looks` are those of `st.button`.

    For what is done at once. Where more is drawn first, `draw` and `take`: a run may end at whatever it draws.
    """
    draw(label, key=key, **looks)
    return take(key or label)


def draw(label: str, *, key: str | None = None, disabled: bool = False, **looks: Any) -> None:
    """Draw a button whose click `take` tells, by its key, or by its label if it has none."""
    clicks, name = _kept(), key or label
    if st.button(label, key=key, disabled=disabled, on_click=clicks.note, args=(name,), **looks):
        clicks.note(name)
    if disabled:
        clicks.take(name)


def take(name: str) -> bool:
    """Tell whether the button was clicked, once for each click: right before what is done then."""
    return _kept().take(name)


def forget() -> None:
    """Forget the clicks on what a whole run of the page did not draw any more. At its end."""
    _kept().forget()


def _kept() -> Clicks:
    clicks: Clicks = st.session_state.setdefault(_KEPT, Clicks())
    return clicks
