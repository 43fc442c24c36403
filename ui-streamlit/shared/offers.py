"""What one may not do, greyed, with the reason where one looks for it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from shared import clicks
from shared.formatting import plain


def button(
    label: str, why_not: str | None, *, disabled: bool = False, tooltip: str | None = None, **looks: Any
) -> bool:
    """Draw a button, and tell whether it was clicked: one that is greyed never is. `looks` are those of `st.button`.

    `why_not` is why the person may not do it, None if they may; it takes the tooltip's place.
    """
    return clicks.button(label, **_offered(why_not, disabled, tooltip), **looks)


def draw(label: str, why_not: str | None, **looks: Any) -> None:
    """Draw such a button whose click is taken later, or has a callback."""
    (st.button if "on_click" in looks else clicks.draw)(label, **_offered(why_not, False, None), **looks)


def _offered(why_not: str | None, disabled: bool, tooltip: str | None) -> dict[str, Any]:
    if why_not is not None:
        disabled, tooltip = True, plain(why_not)
    return {"disabled": disabled, "help": tooltip}


def reason(why_not: str | None) -> None:
    """Draw why one may not do what the page is for; nothing if one may."""
    if why_not is not None:
        st.caption(f":material/lock: {plain(why_not)}")
