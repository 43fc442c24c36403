"""The rows of one renderer at a time, or one of these rows: which, the address says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import streamlit as st
from streamlit.navigation.page import Page

from access.models import EDIT
from access.rights import Rights
from client.errors import MissingError
from imports.view import wanted
from navigation import RENDERERS
from renderers.models import Renderers
from rows import detail_view, import_view, list_view
from rows.dialogs import BASE, why_not_write
from rows.models import Columns, Rows
from shared.failures import answered

OLDER: Final = (
    "This crud does not tell what columns the table has: it is older than the dashboard, and rows can only be read."
)


class Client(Renderers, Rows, Protocol):
    """What the room needs."""


def show(client: Client, rooms: Mapping[str, Page], rights: Rights) -> None:
    """Draw the room."""
    renderer = st.query_params.get("renderer")
    key = st.query_params.get("key")
    with answered("rows", back="Show all rows"):
        names = () if renderer and key is not None else _names(client)
        if key is None and not names:
            st.title("Rows", anchor=False)
            st.info("There is no renderer yet, and so no row of any table but configurations.")
            st.page_link(rooms[RENDERERS], label="How to begin")
            return
        renderer = renderer or names[0]
        if key is None:
            st.session_state.pop(BASE, None)
        columns = _columns(client, renderer)
        if key is not None:
            detail_view.show(client, rooms, columns, renderer, key, rights)
        elif wanted() and why_not_write(EDIT, renderer, columns, rights) is None:
            import_view.show(client, renderer, columns.columns)
        else:
            list_view.show(client, names, renderer, columns, rights)


def _names(client: Renderers) -> tuple[str, ...]:
    try:
        return tuple(renderer.name for renderer in client.renderers())
    except MissingError:
        return ()


def _columns(client: Rows, renderer: str) -> Columns:
    try:
        return client.columns(renderer)
    except MissingError:
        # Where there is no such renderer, its rows say so.
        return Columns(False, OLDER, ())
