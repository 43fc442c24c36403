"""The rows of one renderer: search, filter by state and by a column, sort, page through them, open one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

import streamlit as st

from access.models import EDIT
from access.rights import Rights
from bulk import export_view
from configurations import forms, table_view
from imports.view import open_room
from renderers.models import Renderers
from rows import dialogs, view_model
from rows.models import Columns, Rows, RowsFormat, RowsQuery
from shared import filters, offers
from shared.failures import answered
from shared.pager import pager

REFRESH_SECONDS: Final = 2.0
PAGE_SIZE: Final = 20
CURSORS: Final = "rows_cursors"
TABLE: Final = "rows_table"
FORMATS: Final[dict[RowsFormat, tuple[str, str]]] = {
    "csv": ("CSV", "text/csv"),
    "ndjson": ("JSON, a line for each row", "application/x-ndjson"),
}
FILTER_KEYS: Final = ("rows_search", "rows_state", "rows_environment", "rows_column", "rows_value")


class Client(Renderers, Rows, Protocol):
    """What the list needs."""


def show(client: Client, names: Sequence[str], renderer: str, columns: Columns, rights: Rights) -> None:
    """Draw the rows of `renderer`, which is one of `names`, as a rule."""
    why_not = dialogs.why_not_write(EDIT, renderer, columns, rights)
    head = st.container(horizontal=True, vertical_alignment="center")
    _choice(names, renderer)
    query = _filters(renderer, columns)
    with head:
        st.title("Rows", anchor=False, width="stretch")
        filtered = bool(query.search or query.state or query.environment or query.filters)
        export_view.offer(renderer, FORMATS, functools.partial(client.export_rows, query), filtered=filtered)
        offers.draw("Import", why_not, icon=":material/upload:", on_click=open_room, kwargs={"renderer": renderer})
        if offers.button("New row", why_not, type="primary", icon=":material/add:", shortcut="n"):
            st.session_state[forms.DIALOG] = dialogs.CREATE
    offers.reason(why_not)
    _rows(client, query, columns, filtered)
    if why_not is None and st.session_state.get(forms.DIALOG) == dialogs.CREATE:
        dialogs.create(client, renderer, columns.columns)


def _choice(names: Sequence[str], renderer: str) -> None:
    options = tuple(dict.fromkeys((*names, renderer)))
    st.segmented_control(
        "Renderer",
        options,
        default=renderer,
        required=True,
        key=f"rows_renderer:{renderer}",
        label_visibility="collapsed",
        on_change=_chosen,
        args=(f"rows_renderer:{renderer}",),
    ) if len(options) <= 6 else st.selectbox(
        "Renderer",
        options,
        index=options.index(renderer),
        key=f"rows_renderer:{renderer}",
        on_change=_chosen,
        args=(f"rows_renderer:{renderer}",),
    )


def _chosen(key: str) -> None:
    # What one table is narrowed and sorted by says nothing of another.
    _clear()
    st.session_state.pop("rows_sort", None)
    st.query_params.clear()
    st.query_params["renderer"] = st.session_state[key]


def _first_page() -> None:
    st.session_state[CURSORS] = []


def _clear() -> None:
    _first_page()
    for key in FILTER_KEYS:
        st.session_state.pop(key, None)


def _filters(renderer: str, columns: Columns) -> RowsQuery:
    names = tuple(column.name for column in columns.columns)
    search, states, places, column, text, sort, way = st.columns([4, 2, 2, 3, 2, 3, 2])
    wanted = filters.search(search, "Search", "rows_search", "Search keys and values", _first_page)
    state = filters.choice(states, "Only in this state", "rows_state", view_model.FILTERS, "All states", _first_page)
    environment = places.text_input(
        "Only in this environment",
        key="rows_environment",
        placeholder="All environments",
        label_visibility="collapsed",
        on_change=_first_page,
    )
    name = column.selectbox(
        "Only by this column",
        names,
        index=None,
        key="rows_column",
        placeholder="All values",
        disabled=not names,
        label_visibility="collapsed",
        on_change=_first_page,
    )
    value = text.text_input(
        "Its value",
        key="rows_value",
        placeholder=f"{name} is" if name else "Its value",
        disabled=not name,
        label_visibility="collapsed",
        on_change=_first_page,
    )
    by = sort.selectbox(
        "Sort",
        (*view_model.OWN_SORTS, *(name for name in names if name not in view_model.OWN_SORTS)),
        key="rows_sort",
        format_func=lambda option: f"By {view_model.OWN_SORTS.get(option, option)}",
        label_visibility="collapsed",
        on_change=_first_page,
    )
    descending = way.checkbox("Descending", key="rows_descending", on_change=_first_page)
    return RowsQuery(
        renderer,
        search=wanted,
        state=state,
        filters=((name, value),) if name and value else (),
        environment=environment.strip(),
        sort=by or "key",
        descending=descending,
        limit=PAGE_SIZE,
    )


@st.fragment(run_every=REFRESH_SECONDS)
def _rows(client: Rows, query: RowsQuery, columns: Columns, filtered: bool) -> None:  # a fragment keeps its arguments
    cursors: list[str] = st.session_state.setdefault(CURSORS, [])
    with answered("rows_list", back="Show all rows"):
        page = client.rows(replace(query, cursor=cursors[-1] if cursors else None))
        if not page.items:
            _empty(cursors, filtered)
            return
        table = view_model.table(page.items, columns.columns, datetime.now(UTC))
        line = table_view.grid(
            table.columns,
            table.states,
            table.order,
            key=TABLE,
            alt="Rows: choose a cell to open its row",
            widths={view_model.KEY: 150, view_model.CHANGED: 95, view_model.BY: 95},
        )
        if line is not None:
            st.session_state.pop(TABLE, None)
            st.query_params.update({"renderer": query.renderer, "key": page.items[line].key})
            st.rerun()
        pager(page, cursors, PAGE_SIZE, page.total_capped)


def _empty(cursors: list[str], filtered: bool) -> None:
    none = "The table has no row yet, or none has been captured."
    with st.container(border=True, horizontal_alignment="center"):
        filters.nothing(cursors, _clear if filtered else None, "No row matches." if filtered else none)
