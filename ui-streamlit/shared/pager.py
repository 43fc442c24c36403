"""The line below a list: which part of it is shown, and the way to the parts before and after."""

from collections.abc import Sized
from typing import Protocol

import streamlit as st

from shared import formatting


class Shown(Protocol):
    """One page of a list, as the API's cursors give it."""

    @property
    def items(self) -> Sized:
        """What is on the page."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins, if there is one."""
        ...

    @property
    def total(self) -> int:
        """How many there are on all pages."""
        ...


def pager(page: Shown, cursors: list[str], page_size: int, capped: bool = False) -> None:
    """Draws the line; its buttons push and pop `cursors`, the beginnings of the pages up to this one.

    `capped`: there are more than the total.
    """
    text = formatting.shown_range(len(cursors), page_size, len(page.items), page.total, capped)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="right"):
        st.caption(text, width="content")
        _turn("Previous", "Next", cursors, page.next_cursor)


def by_age(cursors: list[str], following: str | None, words: tuple[str, str] = ("Newer", "Older")) -> None:
    """Draws the line of a list that nobody counts; it has the newest first, or what its two `words` say."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        _turn(*words, cursors, following)


def _turn(back: str, on: str, cursors: list[str], following: str | None) -> None:
    st.button(back, icon=":material/chevron_left:", disabled=not cursors, on_click=_back, args=(cursors,))
    st.button(
        on,
        icon=":material/chevron_right:",
        icon_position="right",
        disabled=not following,
        on_click=cursors.append,
        args=(following,),
    )


def _back(cursors: list[str]) -> None:
    cursors.pop()
