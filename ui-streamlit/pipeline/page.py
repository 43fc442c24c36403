"""The way of a change: how each station is, how fast it goes, what is wrong and what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from pipeline import picture, view
from pipeline.models import Pipeline
from pipeline.poller import PipelinePoller, Seen
from shared import formatting, links
from shared.failures import one_line

REFRESH_SECONDS: Final = 3.0
LOOKS: Final = {"ok": st.success, "degraded": st.warning, "down": st.error, "unknown": st.info}
ICONS: Final = {
    "ok": ":material/check_circle:",
    "degraded": ":material/warning:",
    "down": ":material/error:",
    "unknown": ":material/help:",
}
HEIGHT: Final = 420


def show(poller: PipelinePoller) -> None:
    """Draw the page."""
    st.title("Pipeline", anchor=False)
    _live(poller)


@st.fragment(run_every=REFRESH_SECONDS)
def _live(poller: PipelinePoller) -> None:
    seen = poller.seen()
    if seen.pipeline is None and not seen.trouble:
        with st.skeleton(height=HEIGHT):
            seen = poller.look()
    if seen.trouble:
        last = " What follows is what was last seen." if seen.pipeline else ""
        one_line(f"{seen.trouble}{last}", "pipeline", act=lambda: _look(poller))
    if seen.pipeline:
        _way(seen.pipeline, seen)


def _look(poller: PipelinePoller) -> None:
    poller.look()


def _way(pipeline: Pipeline, seen: Seen) -> None:
    age = formatting.ago(pipeline.checked_at, datetime.now(UTC))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"{ICONS[pipeline.state]} {view.HEADLINES[pipeline.state]}", width="content")
        st.caption(f"Looked {age}", width="content")
    stages = view.stages(pipeline, seen.samples)
    st.html(picture.picture(stages, view.beside(pipeline, seen.samples)))
    _troubles(pipeline)
    _renderers(pipeline)
    with st.expander("All figures", key="figures", icon=":material/table:"):
        st.dataframe(
            {
                "Station": [one.title for one in pipeline.stations],
                "State": [view.WORDS[one.state] for one in pipeline.stations],
                "Figures": [view.facts_text(one.facts) for one in pipeline.stations],
            },
            hide_index=True,
            alt="Every figure that each station tells",
        )
    _topics(pipeline)


def _renderers(pipeline: Pipeline) -> None:
    found = view.renderers(pipeline)
    if found:
        st.subheader("Rows of each renderer", anchor=False)
        st.dataframe(list(found), hide_index=True, alt="How many rows of each renderer wait or were refused")


def _topics(pipeline: Pipeline) -> None:
    found = view.topics(pipeline, pipeline.checked_at)
    if found:
        with st.expander("The broker's topics", key="topics", icon=":material/stacks:"):
            st.dataframe(list(found), hide_index=True, alt="What the broker tells of each topic and its readers")


def _troubles(pipeline: Pipeline) -> None:
    found = view.troubles(pipeline)
    if not found:
        return
    st.subheader("What is wrong, and what to do", anchor=False)
    for trouble in found:
        more = f" [What to do, in full]({links.docs(trouble.page)})" if trouble.page else ""
        action = f"  \n{formatting.plain(formatting.sentence(trouble.action))}" if trouble.action else ""
        message = formatting.plain(formatting.sentence(trouble.message))
        LOOKS[trouble.state](
            f"**{formatting.plain(trouble.title)}**: {message}{action}{more}", icon=ICONS[trouble.state]
        )
