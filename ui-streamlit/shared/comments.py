"""Why somebody changes something: asked where another person has to approve it, and sent with the change."""

from __future__ import annotations

from typing import Final

import streamlit as st

from access.rights import proposes

MOST: Final = 1000
"""Characters that crud takes."""


def field(renderer: str, key: str) -> str:
    """Draw the field, and return what is in it; where no change of the renderer's rows is a proposal there is none."""
    if not proposes(renderer):
        return ""
    typed = st.text_input(
        "Why", key=f"{key}:why", max_chars=MOST, placeholder="For who has to approve it", autocomplete="off"
    )
    return (typed or "").strip()
