"""What each target has of a configuration now."""

from __future__ import annotations

import streamlit as st

from configurations import view_model
from configurations.models import TargetStatus
from configurations.timeline import commit_link
from preview.models import Live, Previews
from shared import formatting
from shared.failures import answered

SKELETON_PIXELS = 900


def draw(client: Previews, row_id: int, commit_url: str) -> None:
    """Draw the live resource of each target, asked for now."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("What is there now, asked of each target.", width="stretch")
        # The rerun that follows the click asks once more.
        st.button("Ask again", icon=":material/refresh:", key="live:again")
    with answered("live"):
        with st.skeleton(height=SKELETON_PIXELS):
            everywhere = client.live(row_id)
        for found in everywhere:
            _target(found, commit_url)


def _target(found: Live, commit_url: str) -> None:
    with st.container(border=True, gap="small", key=f"live-{found.target}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{formatting.target_label(found.target)}**", width="content")
            if found.place:
                st.markdown(f"`{found.place}`", width="stretch")
            if found.reference:
                st.markdown(_reference(found, commit_url), width="content")
        if found.unavailable:
            st.warning(formatting.plain(formatting.brief(found.unavailable)), icon=":material/cloud_off:")
        elif found.text is None:
            st.caption("There is nothing of it yet.")
        else:
            st.code(found.text, language="yaml")


def _reference(found: Live, commit_url: str) -> str:
    status = TargetStatus(found.target, "synced", reference=found.reference)
    words, link = formatting.plain(view_model.reference(status)), commit_link(status, commit_url)
    return f"[{words}]({link})" if link else f":gray[{words}]"
