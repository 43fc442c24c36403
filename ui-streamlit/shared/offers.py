"""What one may not do, greyed, with the reason where one looks for it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from shared.formatting import plain


def button(
    label: str, why_not: str | None, *, disabled: bool = False, tooltip: str | None = None, **looks: Any
) -> bool:
    """Draw a button, and tell whether it was clicked: one that is greyed never is. `looks` are those of `st.button`.

    `why_not` is why the person may not do it, None if they may; it takes the tooltip's place.
    """
    if why_not is not None:
        disabled, tooltip = True, plain(why_not)
    return st.button(label, disabled=disabled, help=tooltip, **looks) and not disabled


def reason(why_not: str | None) -> None:
    """Draw why one may not do what the page is for; nothing if one may."""
    if why_not is not None:
        st.caption(f":material/lock: {plain(why_not)}")
