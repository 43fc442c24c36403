"""The rooms of the dashboard and the way to them, with what waits in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from pipeline import view as pipeline_view
from pipeline.poller import PipelinePoller

CONFIGURATIONS, ACTIVITY, PIPELINE = "Configurations", "Activity", "Pipeline"
RENDERERS, ROWS, PROMOTION, PROPOSALS = "Renderers", "Rows", "Promotion", "Proposals"
DEAD_LETTERS, RECONCILE, SETTINGS = "Dead letters", "Reconcile", "Settings"
ICONS: Final[Mapping[str, str]] = {
    CONFIGURATIONS: ":material/table_rows:",
    ROWS: ":material/dataset:",
    RENDERERS: ":material/data_object:",
    PROMOTION: ":material/move_up:",
    PROPOSALS: ":material/how_to_reg:",
    ACTIVITY: ":material/history:",
    PIPELINE: ":material/account_tree:",
    DEAD_LETTERS: ":material/mark_email_unread:",
    RECONCILE: ":material/compare_arrows:",
    SETTINGS: ":material/settings:",
}
REFRESH_SECONDS: Final = 3.0
MOST: Final = 99
PIPELINE_NOTES: Final[Mapping[str, str]] = {"degraded": ":orange-badge[!]", "down": ":red-badge[down]"}


def room(title: str, show: Callable[[], None], opened: str) -> Page:
    """Return one room; the one that is `opened` is there without a path."""
    path = title.lower().replace(" ", "-")
    return Page(show, title=title, icon=ICONS[title], url_path=path, default=title == opened)


def closed(show: Callable[[], None]) -> None:
    """Show the one page that there is for who must not see the others."""
    st.navigation([Page(show, title="Log in", url_path="log-in", default=True)], position="hidden").run()


@st.fragment(run_every=REFRESH_SECONDS)
def links(
    rooms: Mapping[str, Page], poller: PipelinePoller, stale: Callable[[], bool], waiting: Callable[[], int]
) -> None:
    """Draw the way to each room; where the page is `stale`, as it is of who is logged out since, draw all of it.

    `waiting` counts proposals that the person may approve.
    """
    if stale():
        st.rerun()
    pipeline = poller.seen().pipeline
    letters = pipeline_view.open_letters(pipeline)
    proposals = waiting()
    notes = {
        PROPOSALS: f":blue-badge[{proposals if proposals <= MOST else f'{MOST}+'}]" if proposals else "",
        DEAD_LETTERS: f":red-badge[{letters if letters <= MOST else f'{MOST}+'}]" if letters else "",
        PIPELINE: PIPELINE_NOTES.get(pipeline.state, "") if pipeline else "",
    }
    for title, page in rooms.items():
        st.page_link(page, label=f"{title} {notes.get(title, '')}".strip(), width="stretch")
