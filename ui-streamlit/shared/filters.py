"""What narrows a list, and what stands in its place where nothing is left of it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

T = TypeVar("T")


def search(place: DeltaGenerator, label: str, key: str, placeholder: str, on_change: Callable[[], None]) -> str:
    """Draws the field that searches while one types; gives what to look for, empty for all."""
    text = place.text_input(
        label,
        key=key,
        type="search",
        live=True,
        placeholder=placeholder,
        label_visibility="collapsed",
        on_change=on_change,
        persist_state="session",
    )
    return (text or "").strip()


def choice(
    place: DeltaGenerator, label: str, key: str, options: Sequence[T], placeholder: str, on_change: Callable[[], None]
) -> T | None:
    """Draws a choice of one, which can be taken back: None for all."""
    return place.selectbox(
        label,
        options,
        index=None,
        key=key,
        placeholder=placeholder,
        label_visibility="collapsed",
        on_change=on_change,
        persist_state="session",
    )


def nothing(cursors: list[str], clear: Callable[[], None] | None, words: str) -> None:
    """Draws that there is nothing, and the way back from filters, which `clear` undoes, None where there are none.

    On a later page it goes to the first one, where the others are: what was here is gone since.
    """
    if cursors:
        cursors.clear()
        st.rerun()
    st.markdown(words, width="content")
    if clear is not None and st.button("Clear the filters", on_click=clear):
        st.rerun()
