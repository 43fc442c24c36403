"""The dashboard: what Streamlit runs. It wires the page to crud through the sidecar, and holds nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable

import httpx
import streamlit as st

import api_client
import brand
import detail_view
import list_view
import rules
import view_model
from models import Configurations

ANONYMOUS = "anonymous"
SIDEBAR_PIXELS = 250


def page(connect: Callable[[str], Configurations], default_person: str = ANONYMOUS) -> None:
    """Show the room that the link names, for a client that `connect` makes of the person's name."""
    st.set_page_config(
        page_title=brand.NAME,
        page_icon=brand.ICON,
        layout="wide",
        initial_sidebar_state=250,
        menu_items={"About": "Rowcast, Apache-2.0"},
    )
    st.html(brand.STYLE)
    client = connect(_person(default_person))
    row_id = view_model.row_id(st.query_params.get("id"))
    if row_id is None:
        st.session_state.pop("base", None)
        list_view.show(client)
    else:
        detail_view.show(client, row_id)


def _person(default: str) -> str:
    with st.sidebar:
        st.html(brand.BRAND)
        name = (
            st.text_input("You are", default, key="person", help="Named in the history and as author.") or ""
        ).strip()
        if not name or rules.is_person(name):
            return name or ANONYMOUS
        st.caption(f":red[Printable characters only, at most 200. Until then you are {ANONYMOUS}.]")
        return ANONYMOUS


@st.cache_resource
def _sidecar() -> httpx.Client:
    return api_client.connect(os.environ)


def _connect(person: str) -> Configurations:
    return api_client.CrudClient(_sidecar(), person)


if __name__ == "__main__":
    page(_connect, os.environ.get("ROWCAST_USER", ANONYMOUS))
