"""A renderer's roll-outs, newest first, and the way to start one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from access.models import START_ROLLOUT
from access.rights import Rights
from client.errors import MissingError
from renderers.models import Renderer
from rollouts import form, words
from rollouts.form import Client
from rollouts.models import Rollout, RolloutPage, Rollouts
from shared import clicks, formatting, links, offers, pager
from shared.failures import answered

REFRESH_SECONDS: Final = 3.0
PAGE_SIZE: Final = 10
NUMBER: Final = "rollout"
"""What of the address names one."""
OLDER: Final = "This crud has no roll-outs: it is older than the dashboard."
HOW_TO: Final = "docs/how-to/roll-out-a-template.md"
EMPTY: Final = (
    "No revision was rolled out in steps yet: `rowcast renderer apply` gives a changed declaration to all rows "
    "at once. To have it kept first, and rolled out from here:"
)
BEGIN: Final = "rowcast renderer apply --no-assign tenants.yaml"


def draw(client: Client, renderer: Renderer, rights: Rights) -> None:
    """Draw the list, and the way to start one."""
    why_not = rights.why_not(START_ROLLOUT, renderer.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        if offers.button("Roll out a revision", why_not, type="primary", icon=":material/rocket_launch:"):
            st.session_state[form.DIALOG] = form.START
        st.caption("Rows go on by a revision that is kept, step by step; also back to an older one.")
    st.fragment(_list, run_every=REFRESH_SECONDS)(client, renderer)
    if why_not is None and st.session_state.get(form.DIALOG) == form.START:
        st.dialog("Roll out a revision", width="medium", on_dismiss=form.close)(_start)(client, renderer)


def _start(client: Client, renderer: Renderer) -> None:
    started = form.ask(client, renderer)
    if started is not None:
        form.close()
        st.query_params[NUMBER] = str(started.id)
        st.toast(f"Roll-out {started.id} has begun.", icon=":material/rocket_launch:")
        st.rerun()


def _list(client: Rollouts, renderer: Renderer) -> None:
    cursors: list[str] = st.session_state.setdefault(f"rollout_cursors:{renderer.name}", [])
    with answered("rollouts"):
        try:
            page = client.rollouts(renderer.name, cursors[-1] if cursors else None, PAGE_SIZE)
        except MissingError:
            st.info(OLDER)
            return
        if not page.items and not cursors:
            with st.container(border=True):
                st.markdown(EMPTY)
                st.code(BEGIN.replace("tenants", renderer.name), language="bash")
                st.caption(f"[How to roll out a template]({links.docs(HOW_TO)})")
        _lines(page)
        if cursors or page.next_cursor:
            pager.by_age(cursors, page.next_cursor)


def _lines(page: RolloutPage) -> None:
    now = datetime.now(UTC)
    for rollout in page.items:
        with st.container(border=True, gap="small", key=f"rollout-{rollout.id}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                if clicks.button(f"**Roll-out {rollout.id}**", type="tertiary", key=f"rollout:{rollout.id}"):
                    st.query_params[NUMBER] = str(rollout.id)
                    # The page, not this part of it.
                    st.rerun()
                st.badge(rollout.state, color=words.COLOURS.get(rollout.state, "gray"))
                st.caption(formatting.plain(words.about(rollout, now)), width="stretch")
            state(rollout)


def state(rollout: Rollout) -> None:
    """Draw how far a roll-out is, and why it does not go on."""
    part, said = words.progress(rollout)
    st.progress(part, text=said)
    if rollout.why:
        why = formatting.plain(formatting.sentence(rollout.why))
        if rollout.state == "stopped":
            st.error(why, icon=":material/front_hand:")
        elif rollout.under_way:
            st.warning(why, icon=":material/info:")
        else:
            st.caption(why)


def number(query: Mapping[str, str]) -> int | None:
    """Return the one that the address names, if it names one."""
    text = query.get(NUMBER, "")
    return int(text) if text.isascii() and text.isdecimal() else None
