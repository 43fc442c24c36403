"""All configurations: search, filter, sort, page through them, open one, change many, take them out and in."""

from __future__ import annotations

from typing import Protocol

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from access.models import DELETE, EDIT
from access.rights import Rights
from bulk import export_view
from bulk import view as bulk_view
from bulk.models import Bulk
from client.errors import UnavailableError
from configurations import forms, selection, table_view, view_model
from configurations.models import APP_CONFIGS, Configurations, Page, Query
from imports import view as imports_view
from preview.models import Previews
from shared import filters, offers
from shared.failures import answered, one_line
from shared.pager import pager

REFRESH_SECONDS = 2.0
PAGE_SIZE = 20


class Client(Configurations, Bulk, Previews, Protocol):
    """What the room needs."""


def show(client: Client, rights: Rights) -> None:
    """Draw the room of all configurations."""
    why_not = rights.why_not(EDIT, APP_CONFIGS)
    if why_not is None and imports_view.wanted():
        imports_view.show(client)
        return
    head = st.container(horizontal=True, vertical_alignment="center")
    query = _filters()
    _heading(head, client, query, why_not)
    _rows(client, query, rights)
    wanted = st.session_state.get(forms.DIALOG) or ""
    if why_not is None and wanted == "create":
        forms.create(client)
    elif wanted.startswith("bulk:"):
        bulk_view.dialog(client, wanted)


def _heading(head: DeltaGenerator, client: Client, query: Query, why_not: str | None) -> None:
    with head:
        st.title("Configurations", anchor=False, width="stretch")
        export_view.draw(client, query)
        offers.draw("Import", why_not, icon=":material/upload:", on_click=imports_view.open_room)
        if offers.button("New configuration", why_not, type="primary", icon=":material/add:", shortcut="n"):
            st.session_state[forms.DIALOG] = "create"


def _first_page() -> None:
    st.session_state["cursors"] = []


def _clear() -> None:
    _first_page()
    st.session_state["search"] = ""
    st.session_state["environment"] = None
    st.session_state["state"] = None


def _filters() -> Query:
    search, environment, states, order = st.columns([5, 3, 2, 3])
    text = filters.search(search, "Search", "search", "Search name, repository, branch", _first_page)
    chosen = environment.selectbox(
        "Only this environment",
        sorted(st.session_state.get("environments", ())),
        index=None,
        key="environment",
        placeholder="All environments",
        accept_new_options=True,
        label_visibility="collapsed",
        on_change=_first_page,
        persist_state="session",
    )
    state = filters.choice(states, "Only in this state", "state", view_model.FILTERS, "All states", _first_page)
    sort = order.selectbox(
        "Sort",
        tuple(view_model.SORTS),
        key="sort",
        format_func=lambda option: view_model.SORTS[option],
        label_visibility="collapsed",
        on_change=_first_page,
        persist_state="session",
    )
    return Query(
        search=text,
        environment=chosen or "",
        state=state,
        sort=sort or "-updated_at",
        limit=PAGE_SIZE,
    )


@st.fragment(run_every=REFRESH_SECONDS)
def _rows(client: Client, query: Query, rights: Rights) -> None:  # a fragment keeps its arguments
    cursors: list[str] = st.session_state.setdefault("cursors", [])
    query = Query(**{**vars(query), "cursor": cursors[-1] if cursors else None})
    with answered("list"):
        page = _page(client, query)
        if page is None:
            return
        if page.items:
            rows = selection.shown(query, page.items)
            # What is deleted already can't be changed.
            may = any(rights.why_not(act, APP_CONFIGS) is None for act in (EDIT, DELETE))
            tickable = may and query.state != "deleting"
            if tickable:
                bulk_view.bar(client, query, page, rows, rights)
            chosen = table_view.draw(rows, tickable=tickable)
            if chosen is not None:
                st.query_params["id"] = str(chosen)
                st.rerun()
            pager(page, cursors, PAGE_SIZE, page.total_capped)
        else:
            filtered = bool(query.search or query.environment or query.state)
            _empty(rights.why_not(EDIT, APP_CONFIGS), filtered=filtered, cursors=cursors)


def _page(client: Configurations, query: Query) -> Page | None:
    """Return the page, or while crud is away the one last seen, said to be so; None when there is none."""
    last: tuple[Query, Page] | None = st.session_state.get("last_page")
    seen = last[1] if last and last[0] == query else None
    try:
        if seen:
            page = client.list(query)
        else:
            with st.skeleton(height=table_view.ROW_HEIGHT * PAGE_SIZE):
                page = client.list(query)
    except UnavailableError as failure:
        one_line(f"{failure} What follows is what was last seen." if seen else str(failure), "list")
        return seen
    st.session_state["last_page"] = (query, page)
    known: set[str] = st.session_state.setdefault("environments", set())
    new = {row.environment for row in page.items} - known
    known.update(new)
    if new:
        # The filter above is drawn already, without them.
        st.rerun()
    return page


def _empty(why_not: str | None, *, filtered: bool, cursors: list[str]) -> None:
    none = "There is no configuration yet. What you create here arrives at every target."
    with st.container(border=True, horizontal_alignment="center"):
        filters.nothing(cursors, _clear if filtered else None, "No configuration matches." if filtered else none)
        if not filtered and offers.button("Create the first one", why_not, type="primary"):
            st.session_state[forms.DIALOG] = "create"
            st.rerun()
