"""A renderer in a line or two, as the list and its own page have it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from navigation import ROWS
from renderers import texts
from renderers.models import Renderer, Renderers
from rollouts import words
from shared import formatting

TABLES: Final = "renderer_tables"


def rows_link(rooms: Mapping[str, Page], renderer: Renderer) -> None:
    """Draw the way to a renderer's rows."""
    words = "Rows" if renderer.rows is None else formatting.counted(renderer.rows, "row")
    st.page_link(rooms[ROWS], label=words, query_params={"renderer": renderer.name})


def states(renderer: Renderer) -> None:
    """Draw whether a roll-out is under way, and how many of its rows failed or are pending, where crud tells it."""
    if rollout := renderer.rollout:
        place = f"Roll-out {rollout.id} {rollout.state}, step {rollout.step + 1} of {rollout.steps}"
        st.badge(place, color=words.COLOURS.get(rollout.state, "gray"))
    if renderer.failed:
        st.badge(f"{renderer.failed:,} failed", color="red")
    if renderer.pending:
        st.badge(f"{renderer.pending:,} pending", color="orange")


def about(renderer: Renderer, now: datetime) -> str:
    """Return which revision there is, since when, and by whom."""
    when = formatting.ago(renderer.applied_at, now)
    return f"Revision {renderer.revision}, applied {when} by {formatting.plain(renderer.applied_by)}"


def fault(renderer: Renderer) -> None:
    """Say why a renderer's table can't be captured any more."""
    since = f", {formatting.ago(renderer.fault_at, datetime.now(UTC))}" if renderer.fault_at else ""
    said = formatting.plain(formatting.sentence(renderer.fault or ""))
    st.error(
        f"**Its table is not captured any more{since}.** {said} Its rows stay as they are.", icon=":material/error:"
    )


def table(client: Renderers, renderer: Renderer) -> str:
    """Return the table, read once for each revision: lists come without declarations."""
    known: dict[tuple[str, int], str] = st.session_state.setdefault(TABLES, {})
    which = (renderer.name, renderer.revision)
    if which not in known:
        known[which] = texts.table_of(client.renderer(renderer.name).text)
    return known[which]
