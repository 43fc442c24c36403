"""What each target has of a configuration now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from configurations import view_model
from configurations.models import TargetStatus
from configurations.timeline import commit_link
from preview.models import Live, Previews
from shared import formatting
from shared.failures import answered

SKELETON_PIXELS = 900
Found = TypeVar("Found", bound=Live)


def draw(client: Previews, row_id: int, commit_url: str) -> None:
    """Draw the live resource of each target, asked for now."""
    with answered("live"):
        for found in asked(lambda: client.live(row_id)):
            target(found, commit_url)


def asked(ask: Callable[[], tuple[Found, ...]]) -> tuple[Found, ...]:
    """Return what the targets say, and draw a button with which they are asked again."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("What is there now, asked of each target.", width="stretch")
        # The rerun that follows the click asks once more.
        st.button("Ask again", icon=":material/refresh:", key="live:again")
    with st.skeleton(height=SKELETON_PIXELS):
        return ask()


def target(found: Live, commit_url: str, difference: str = "", refusal: str = "") -> None:
    """Draw what one target has, and what it should have where that is known."""
    with st.container(border=True, gap="small", key=f"live-{found.target}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{formatting.target_label(found.target)}**", width="content")
            if found.place:
                st.markdown(f"`{found.place}`", width="stretch")
            if found.reference:
                st.markdown(_reference(found, commit_url), width="content")
        if refusal:
            st.error(f"**It would refuse what the row says.** {formatting.plain(refusal)}", icon=":material/block:")
        if difference:
            st.caption("What would change it to what the row says:")
            st.code(difference, language="diff")
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
