"""The dashboard: what Streamlit runs. It wires the page to crud through the sidecar, and holds nothing else."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Protocol

import httpx
import streamlit as st

import api_client
import brand
import detail_view
import list_view
import rules
import tracing
import view_model
from models import Configurations, DeadLetters
from pages import dead_letters

ANONYMOUS = "anonymous"
CONFIGURATIONS, DEAD_LETTERS = "Configurations", "Dead letters"
ICONS = {CONFIGURATIONS: ":material/table_rows:", DEAD_LETTERS: ":material/mark_email_unread:"}
SIDEBAR_PIXELS = 250


class Client(Configurations, DeadLetters, Protocol):
    """All that the pages need."""


def page(connect: Callable[[str], Client], default_person: str = ANONYMOUS, opened: str = CONFIGURATIONS) -> None:
    """Show the dashboard, for a client that `connect` makes of the person's name; `opened` is its page without a path.

    The first page shows the room that the link names.
    """
    st.set_page_config(
        page_title=brand.NAME,
        page_icon=brand.ICON,
        layout="wide",
        initial_sidebar_state=SIDEBAR_PIXELS,
        menu_items={"About": "Rowcast, Apache-2.0"},
    )
    st.html(brand.STYLE)
    with st.sidebar:
        st.html(brand.BRAND)
        links = st.container(gap="small")
        client = connect(_person(default_person))
    rooms = {CONFIGURATIONS: _configurations, DEAD_LETTERS: dead_letters.show}
    pages = [
        st.Page(
            functools.partial(show, client),
            title=title,
            icon=ICONS[title],
            url_path=title.lower().replace(" ", "-"),
            default=title == opened,
        )
        for title, show in rooms.items()
    ]
    # Streamlit's own menu would stand above the name; and it is drawn before the person is known.
    current = st.navigation(pages, position="hidden")
    with links:
        for room in pages:
            st.page_link(room)
    current.run()


def _configurations(client: Client) -> None:
    row_id = view_model.row_id(st.query_params.get("id"))
    if row_id is None:
        st.session_state.pop("base", None)
        list_view.show(client)
    else:
        detail_view.show(client, row_id)


def _person(default: str) -> str:
    name = (st.text_input("You are", default, key="person", help="Named in the history and as author.") or "").strip()
    if not name or rules.is_person(name):
        return name or ANONYMOUS
    st.caption(f":red[Printable characters only, at most 200. Until then you are {ANONYMOUS}.]")
    return ANONYMOUS


@st.cache_resource
def _sidecar() -> httpx.Client:
    return api_client.connect(os.environ)


@st.cache_resource
def _saves() -> tracing.Saves:
    return tracing.saves(os.environ)


def _connect(person: str) -> Client:
    return api_client.CrudClient(_sidecar(), person, _saves())


if __name__ == "__main__":
    page(_connect, os.environ.get("ROWCAST_USER", ANONYMOUS))
