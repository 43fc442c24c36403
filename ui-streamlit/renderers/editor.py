"""The text of a declaration that nobody has applied: one, whichever tab it is edited in."""

from __future__ import annotations

from typing import Final

import streamlit as st

from imports import files
from renderers.models import Renderer
from shared import formatting

ENDINGS: Final = ("yaml", "yml")
FILE: Final = "declaration_file"
UNREADABLE: Final = "declaration_unreadable"


def draw(renderer: Renderer, height: int, help_text: str) -> str:
    """Draw the editor, which begins with the declaration that is applied, and return what is in it."""
    text = st.text_area(
        "Declaration",
        renderer.text,
        key=_key(renderer),
        height=height,
        help=f"Nothing of this is saved. Leave the field, or press Ctrl+Enter, {help_text}",
        persist_state="session",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Open a file", icon=":material/upload_file:"):
            st.file_uploader(
                "Declaration as a file",
                ENDINGS,
                key=f"{FILE}:{renderer.name}",
                max_upload_size=1,
                on_change=_opened,
                args=(renderer,),
            )
        if (text or "").strip() != renderer.text.strip():
            st.button("Back to what is applied", type="tertiary", on_click=_put, args=(renderer, renderer.text))
    if unreadable := st.session_state.pop(UNREADABLE, None):
        st.error(formatting.plain(unreadable), icon=":material/error:")
    return text or ""


def _key(renderer: Renderer) -> str:
    # It is another text with each revision.
    return f"trial:{renderer.name}:{renderer.revision}"


def _put(renderer: Renderer, text: str) -> None:
    st.session_state[_key(renderer)] = text


def _opened(renderer: Renderer) -> None:
    file = st.session_state.get(f"{FILE}:{renderer.name}")
    if file is None:
        return
    try:
        _put(renderer, files.decoded(file.getvalue()))
    except files.UnreadableError as error:
        st.session_state[UNREADABLE] = str(error)
