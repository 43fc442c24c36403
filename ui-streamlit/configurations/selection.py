"""Which rows of the table are ticked, and that they stay the ones that were ticked while the table changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from configurations.models import AppConfig, Query

TABLE: Final = "table"
DRAWN: Final = "drawn"
ALL: Final = "all_matching"
FORGET: Final = "untick"
NOTHING: Final[Mapping[str, Mapping[str, list[Any]]]] = {"selection": {"rows": [], "columns": [], "cells": []}}


def clear() -> None:
    """Take every tick away, the next time that the table is drawn."""
    # Not at once: a table that is drawn already can't be told.
    st.session_state[FORGET] = True
    st.session_state.pop(ALL, None)


def positions() -> tuple[int, ...]:
    """Return the lines that are ticked, counting from 0."""
    state: Any = st.session_state.get(TABLE) or NOTHING
    return tuple(sorted(state["selection"].get("rows", ())))


def shown(query: Query, fresh: Sequence[AppConfig]) -> tuple[AppConfig, ...]:
    """Return the rows to draw: the fresh ones, but in the order of before while any is ticked.

    A tick is a position: if the rows moved under it, it would be another row's.
    """
    before: tuple[Query, tuple[AppConfig, ...]] | None = st.session_state.get(DRAWN)
    if st.session_state.pop(FORGET, False):
        st.session_state[TABLE] = NOTHING
    ticked = positions()
    if ticked and before and before[0] == query and ticked[-1] < len(before[1]):
        rows = still(before[1], fresh)
    else:
        rows = tuple(fresh)
        if ticked:
            st.session_state[TABLE] = NOTHING
            st.session_state.pop(ALL, None)
    st.session_state[DRAWN] = (query, rows)
    return rows


def still(before: Sequence[AppConfig], fresh: Sequence[AppConfig]) -> tuple[AppConfig, ...]:
    """Return the rows of `before`, each as it is in `fresh` if it is there."""
    now = {row.id: row for row in fresh}
    return tuple(now.get(row.id, row) for row in before)


def chosen(rows: Sequence[AppConfig]) -> tuple[AppConfig, ...]:
    """Return the rows that a change of many is about."""
    ticked = tuple(rows[position] for position in positions() if position < len(rows))
    everything: tuple[AppConfig, ...] = st.session_state.get(ALL, ())
    if everything and len(ticked) == len(rows):
        return everything
    st.session_state.pop(ALL, None)
    return ticked
