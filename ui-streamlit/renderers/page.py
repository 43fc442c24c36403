"""All renderers: which table each is for, who applied it, and how its rows are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import streamlit as st
from streamlit.navigation.page import Page

from access.rights import Rights
from client.errors import MissingError
from impact.models import Impacts
from renderers import detail_view, summary
from renderers.models import Renderer, Renderers
from rollouts.models import Rollouts
from rows.models import Rows
from shared import clicks, formatting, links
from shared.failures import answered

HOW_TO: Final = "docs/how-to/write-a-declaration.md"
BEGIN: Final = """rowcast renderer init public.tenants > tenants.yaml
rowcast renderer check tenants.yaml
rowcast renderer apply tenants.yaml"""
OLDER: Final = "This crud has no renderers: it is older than the dashboard."
REFRESH_SECONDS: Final = 5.0


class Client(Renderers, Impacts, Rollouts, Rows, Protocol):
    """What the room needs."""


def show(client: Client, rooms: Mapping[str, Page], rights: Rights) -> None:
    """Draw the room of all renderers, or of the one that the address names."""
    name = st.query_params.get("name")
    if name:
        detail_view.show(client, rooms, name, rights)
        return
    st.title("Renderers", anchor=False)
    _list(client, rooms)


@st.fragment(run_every=REFRESH_SECONDS)
def _list(client: Client, rooms: Mapping[str, Page]) -> None:
    with answered("renderers"):
        try:
            found = client.renderers()
        except MissingError:
            st.info(OLDER)
            return
        if not found:
            _begin()
        for renderer in found:
            _line(client, renderer, rooms)


def _begin() -> None:
    with st.container(border=True):
        st.markdown("**Rows of any table, as any resources.** There is no declaration yet.")
        st.markdown("Make a first one of your table, look at what it finds, and apply it:")
        st.code(BEGIN, language="bash")
        st.caption(f"[How to write a declaration]({links.docs(HOW_TO)})")


def _line(client: Renderers, renderer: Renderer, rooms: Mapping[str, Page]) -> None:
    with st.container(border=True, gap="small", key=f"renderer-{renderer.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            if clicks.button(f"**{formatting.plain(renderer.name)}**", type="tertiary", key=f"open:{renderer.name}"):
                st.query_params["name"] = renderer.name
                # The page, not this part of it.
                st.rerun()
            table = summary.table(client, renderer)
            st.markdown(f"`{table}`" if table else "", width="stretch")
            summary.states(renderer)
            summary.rows_link(rooms, renderer)
        st.caption(summary.about(renderer, datetime.now(UTC)))
        if renderer.fault:
            summary.fault(renderer)
