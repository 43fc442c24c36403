"""The way of a change: how each station is, how fast it goes, what is wrong and what to do about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

import links
import pipeline_picture
import pipeline_view
import view_model
from failures import one_line
from pipeline_models import Pipeline
from watch import Seen, Watch

REFRESH_SECONDS: Final = 3.0
LOOKS: Final = {"ok": st.success, "degraded": st.warning, "down": st.error, "unknown": st.info}
ICONS: Final = {
    "ok": ":material/check_circle:",
    "degraded": ":material/warning:",
    "down": ":material/error:",
    "unknown": ":material/help:",
}
HEIGHT: Final = 420


def show(watch: Watch) -> None:
    """Draw the page."""
    st.title("Pipeline", anchor=False)
    _live(watch)


@st.fragment(run_every=REFRESH_SECONDS)
def _live(watch: Watch) -> None:
    seen = watch.seen()
    if seen.pipeline is None and not seen.trouble:
        with st.skeleton(height=HEIGHT):
            seen = watch.look()
    if seen.trouble:
        last = " What follows is what was last seen." if seen.pipeline else ""
        one_line(f"{seen.trouble}{last}", "pipeline", act=lambda: _look(watch))
    if seen.pipeline:
        _way(seen.pipeline, seen)


def _look(watch: Watch) -> None:
    watch.look()


def _way(pipeline: Pipeline, seen: Seen) -> None:
    age = view_model.ago(pipeline.checked_at, datetime.now(UTC))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"{ICONS[pipeline.state]} {pipeline_view.HEADLINES[pipeline.state]}", width="content")
        st.caption(f"Looked {age}", width="content")
    stages = pipeline_view.stages(pipeline, seen.samples)
    st.html(pipeline_picture.picture(stages, pipeline_view.beside(pipeline, seen.samples)))
    _troubles(pipeline)
    with st.expander("All figures", key="figures", icon=":material/table:"):
        st.dataframe(
            {
                "Station": [one.title for one in pipeline.stations],
                "State": [pipeline_view.WORDS[one.state] for one in pipeline.stations],
                "Figures": [pipeline_view.told(one.facts) for one in pipeline.stations],
            },
            hide_index=True,
            alt="Every figure that each station tells",
        )
    _topics(pipeline)


def _topics(pipeline: Pipeline) -> None:
    found = pipeline_view.topics(pipeline, pipeline.checked_at)
    if found:
        with st.expander("The broker's topics", key="topics", icon=":material/stacks:"):
            st.dataframe(list(found), hide_index=True, alt="What the broker tells of each topic and its readers")


def _troubles(pipeline: Pipeline) -> None:
    found = pipeline_view.troubles(pipeline)
    if not found:
        return
    st.subheader("What is wrong, and what to do", anchor=False)
    for trouble in found:
        more = f" [What to do, in full]({links.docs(trouble.page)})" if trouble.page else ""
        action = f"  \n{view_model.plain(view_model.sentence(trouble.action))}" if trouble.action else ""
        message = view_model.plain(view_model.sentence(trouble.message))
        LOOKS[trouble.state](
            f"**{view_model.plain(trouble.title)}**: {message}{action}{more}", icon=ICONS[trouble.state]
        )
