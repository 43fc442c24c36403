"""One row: its values, what it becomes, its way to each target, its past, and a way out of a conflict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st
from streamlit.navigation.page import Page

from access.models import DELETE, EDIT
from access.rights import Rights
from client.errors import ConflictError, MissingError, RefusedError
from client.sending import commented
from configurations import conflict_view, forms, timeline, timeline_view
from configurations.models import RowStatus
from history import version_diff
from history.view import RESTORE
from navigation import DEAD_LETTERS, RENDERERS
from preview import live_view
from preview import view as preview_view
from renderers import manifests_view
from rows import dialogs, form, history_view, values
from rows.dialogs import BASE, why_not_change
from rows.form import Client
from rows.models import Column, Columns, Row
from shared import clicks, comments, formatting, offers
from shared.failures import answered

REFRESH_SECONDS: Final = 2.0
VALUES, MANIFESTS, LIVE, HISTORY = "Values", "Manifests", "Live", "History"
CONFLICT: Final = "row_conflict"
NO_LIVE: Final = "crud can't ask the targets about this row: the row is gone, or crud is older than the dashboard."


def show(client: Client, rooms: Mapping[str, Page], columns: Columns, renderer: str, key: str, rights: Rights) -> None:
    """Draw the room of the row `key`."""
    st.button("Rows", type="tertiary", icon=":material/arrow_back:", on_click=_to_list, args=(renderer,), key="back")
    with answered("row", back="Show all rows"):
        row = _base(client, renderer, key)
        why_not, why_not_delete = (why_not_change(act, row, columns, rights) for act in (EDIT, DELETE))
        _heading(row, why_not_delete)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _tabs(client, rooms, row, columns, why_not)
        with right:
            _delivery(client, rooms, row)
        wanted = st.session_state.get(forms.DIALOG)
        if wanted == dialogs.DELETE and why_not_delete is None:
            dialogs.delete(client, row)
        elif wanted == RESTORE and why_not is None:
            history_view.restore(client, row, columns.columns)


def _to_list(renderer: str) -> None:
    st.query_params.clear()
    st.query_params["renderer"] = renderer


def _base(client: Client, renderer: str, key: str) -> Row:
    """Return the row as it was when the person opened it: what they edit must not change under their hands."""
    base: Row | None = st.session_state.get(BASE)
    if base is None or (base.renderer, base.key) != (renderer, key):
        st.session_state.pop(CONFLICT, None)
        base = client.row(renderer, key)
        st.session_state[BASE] = base
    return base


def _start_from(row: Row | None, told: str = "") -> None:
    st.session_state.pop(CONFLICT, None)
    st.session_state[BASE] = row
    if told:
        # After that: a run may end at whatever it draws.
        st.toast(told, icon=":material/check:")
    st.rerun()


def _heading(row: Row, why_not: str | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(formatting.plain(row.key), anchor=False, width="content")
        if not row.deleted and offers.button("Delete", why_not, icon=":material/delete:"):
            st.session_state[forms.DIALOG] = dialogs.DELETE
    when = formatting.ago(row.changed_at, datetime.now(UTC))
    who = f" by {formatting.plain(row.actor)}" if row.actor else ""
    name = formatting.plain(row.renderer)
    st.caption(f"Of {name}, generation {row.generation}, by revision {row.revision}, changed {when}{who}")
    if row.deleted:
        st.warning("This row is deleted. What follows is what it said last.")


def _tabs(client: Client, rooms: Mapping[str, Page], row: Row, columns: Columns, why_not: str | None) -> None:
    # What a tab shows is asked for when it is open: what is live is a question to every target.
    now, manifests, live, past = st.tabs([VALUES, MANIFESTS, LIVE, HISTORY], key="row_tab", on_change="rerun")
    with now:
        if why_not is not None or row.deleted:
            offers.reason(why_not)
            _values(row)
        elif not _conflict(client, row, columns.columns):
            _edit(client, row, columns.columns)
    if manifests.open:
        with manifests:
            _manifests(client, rooms, row)
    if live.open:
        with live:
            _live(client, row)
    if past.open:
        with past:
            history_view.draw(client, row, columns.columns, why_not)


def _values(row: Row) -> None:
    for name, value in row.values.items():
        with st.container(horizontal=True, gap="medium"):
            st.markdown(f"**{formatting.plain(name)}**", width=200)
            if isinstance(value, dict | list):
                st.code(values.as_document(value), language="json")
            else:
                said = ":gray[NULL]" if value is None else formatting.plain(values.as_text(value))
                st.markdown(said, width="stretch")


@st.fragment
def _edit(client: Client, row: Row, columns: tuple[Column, ...]) -> None:
    # A new generation is a new form: its fields must show what was saved, not what was typed before.
    key = f"row:{row.renderer}/{row.key}:{row.generation}"
    with answered("row:edit"):
        filled = form.fields(client, row.renderer, key, columns, row.values)
        why = comments.field(row.renderer, key)
        with st.container(horizontal=True):
            clicks.draw("Save", type="primary", key=f"{key}:save", shortcut="ctrl+s")
            preview_view.draw_button(key)
        if clicks.take(preview_view.clicked(key)) and filled.accepted():
            dialogs.preview(client, row.renderer, row.key, filled)
        if clicks.take(f"{key}:save") and filled.accepted():
            with commented(why):
                _save(client, row, filled)


def _save(client: Client, row: Row, filled: form.RowForm) -> None:
    changed = values.changed(row.values, filled.values)
    if not changed:
        st.info("Nothing is different, so nothing was saved.")
        return
    with answered("row:save", forms.NOT_DONE):
        try:
            saved = client.change_row(row.renderer, row.key, changed, row.generation)
        except ConflictError:
            _conflict_with(client, row, filled.values)
        except RefusedError as refusal:
            filled.refuse(refusal)
            return
        _start_from(saved, f"Generation {saved.generation} is saved.")


def _conflict_with(client: Client, row: Row, mine: Mapping[str, Any]) -> None:
    st.session_state[CONFLICT] = (mine, client.row(row.renderer, row.key))
    st.rerun()


def _conflict(client: Client, row: Row, columns: tuple[Column, ...]) -> bool:
    """Tell whether there is a choice to be made before anything else is edited."""
    found: tuple[Mapping[str, Any], Row] | None = st.session_state.get(CONFLICT)
    if found is None:
        return False
    mine, theirs = found
    if theirs.deleted:
        st.warning("Somebody deleted this row meanwhile. This is what you typed:")
        st.code(version_diff.lines(values.as_lines(row.values), values.as_lines(mine)), language="diff")
        if clicks.button("Show the row"):
            _start_from(theirs)
        return True
    said = values.writable(columns, theirs.values, new=False)
    saved = conflict_view.Saved(said, theirs.generation, theirs.actor, theirs.changed_at)
    wanted = conflict_view.ask(row.values, mine, saved, shown=_shown)
    if wanted == said:
        _start_from(theirs)
    elif wanted is not None:
        with answered("row:overwrite", forms.NOT_DONE):
            try:
                changed = values.changed(said, wanted)
                saved_row = client.change_row(row.renderer, row.key, changed, theirs.generation)
            except ConflictError:
                # Somebody was faster once more: show that one.
                _conflict_with(client, row, mine)
            _start_from(saved_row)
    return True


def _shown(value: Any) -> str:
    return "NULL" if value is None else values.as_text(value)


def _manifests(client: Client, rooms: Mapping[str, Page], row: Row) -> None:
    st.page_link(
        rooms[RENDERERS],
        label="Try an edited declaration against this row",
        query_params={"name": row.renderer, "key": row.key},
    )
    with answered("row_manifests"):
        try:
            manifests_view.draw(client.render(row.renderer, row.key))
        except MissingError:
            st.info(dialogs.NO_PREVIEW)


def _live(client: Client, row: Row) -> None:
    with answered("row_live"):
        try:
            everywhere = live_view.asked(lambda: client.row_live(row.renderer, row.key))
        except MissingError:
            st.info(NO_LIVE)
            return
        for found in everywhere:
            live_view.target(found, os.environ.get(timeline.COMMIT_URL, ""), found.difference, found.refusal)


@st.fragment(run_every=REFRESH_SECONDS)
def _delivery(client: Client, rooms: Mapping[str, Page], row: Row) -> None:
    with st.container(border=True, key="delivery"):
        st.subheader("Delivery", anchor=False)
        with answered("row_delivery", back="Show all rows"):
            now = client.row(row.renderer, row.key)
            st.html(timeline_view.STYLE)
            status = RowStatus(None if now.deleted else now.generation, now.sync)
            for track in timeline.tracks(
                status, now.changed_at, datetime.now(UTC), os.environ.get(timeline.COMMIT_URL, "")
            ):
                timeline_view.draw(track)
            if not now.sync:
                st.caption("No target has reported yet.")
            if any(target.state == "failed" for target in now.sync):
                link = {"renderer": row.renderer, "key": row.key}
                st.page_link(rooms[DEAD_LETTERS], label="Dead letters of this row", query_params=link)
            if now.generation > row.generation and CONFLICT not in st.session_state:
                what = "deleted this row" if now.deleted else f"saved generation {now.generation}"
                st.info(f"{formatting.plain(now.actor) or 'Somebody'} {what} meanwhile.")
                if clicks.button("Show it"):
                    _start_from(now)
