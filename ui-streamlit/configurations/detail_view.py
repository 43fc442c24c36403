"""One configuration: its fields, its way to each target, what is there, its past, and a way out of a conflict."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import streamlit as st

from access.models import DELETE, EDIT
from access.rights import Rights
from client.errors import ConflictError, MissingError, RefusedError
from client.sending import commented
from configurations import conflict_view, deleted_view, forms, timeline, timeline_view
from configurations.models import APP_CONFIGS, FIELDS, AppConfig, Configurations, Draft, RowStatus, TargetStatus
from history import view as history_view
from history.models import Histories
from preview import live_view
from preview import view as preview_view
from preview.models import Previews
from shared import clicks, comments, formatting, offers
from shared.failures import answered, to_list

REFRESH_SECONDS = 2.0
# Somebody waits for it, and most changes arrive within half a second.
ARRIVING_SECONDS = 0.5
ARRIVING = "arriving"
FIELDS_TAB, LIVE, HISTORY = "Fields", "Live", "History"


class Client(Configurations, Previews, Histories, Protocol):
    """What the room needs."""


def show(client: Client, row_id: int, rights: Rights) -> None:
    """Draw the room of the one configuration `row_id`."""
    st.button("Configurations", type="tertiary", icon=":material/arrow_back:", on_click=to_list, key="back")
    with answered("row"):
        try:
            row = _base(client, row_id)
        except MissingError as missing:
            deleted_view.draw(client, row_id, missing, rights)
            return
        _heading(row, rights)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _tabs(client, row, rights)
        with right:
            pace = ARRIVING_SECONDS if st.session_state.get(ARRIVING) else REFRESH_SECONDS
            st.fragment(_delivery, run_every=pace)(client, row)
        _dialogs(client, row, rights)


def _base(client: Client, row_id: int) -> AppConfig:
    """Return the row as it was when the person opened it: what they edit must not change under their hands."""
    base: AppConfig | None = st.session_state.get("base")
    if base is None or base.id != row_id:
        base = client.get(row_id)
        st.session_state.pop("conflict", None)
        st.session_state["base"] = base
        st.session_state[ARRIVING] = _arriving(base.sync)
    return base


def _start_from(row: AppConfig | None, told: str = "") -> None:
    st.session_state.pop("conflict", None)
    st.session_state["base"] = row
    st.session_state[ARRIVING] = True
    if told:
        # After that: a run may end at whatever it draws.
        st.toast(told, icon=":material/check:")
    st.rerun()


def _arriving(targets: Iterable[TargetStatus]) -> bool:
    """Tell whether a change is on its way that should be there in a moment."""
    return any(target.state == "pending" and not target.overdue for target in targets)


def _heading(row: AppConfig, rights: Rights) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(row.name, anchor=False, width="content")
        if offers.button("Delete", _why_not(rights, DELETE, row), icon=":material/delete:"):
            st.session_state[forms.DIALOG] = "delete"
    changed = formatting.ago(row.updated_at, datetime.now(UTC))
    st.caption(f"Row {row.id}, generation {row.generation}, changed {changed} by {formatting.plain(row.updated_by)}")


def _why_not(rights: Rights, act: str, row: AppConfig) -> str | None:
    return rights.why_not(act, APP_CONFIGS, row.environment)


def _dialogs(client: Client, row: AppConfig, rights: Rights) -> None:
    wanted = st.session_state.get(forms.DIALOG)
    if wanted == "delete" and _why_not(rights, DELETE, row) is None:
        forms.delete(client, row)
    elif wanted == history_view.RESTORE and _why_not(rights, EDIT, row) is None:
        history_view.restore(client, row.id, row)


def _tabs(client: Client, row: AppConfig, rights: Rights) -> None:
    # What a tab shows is asked for when it is open: a live resource is a question to every target.
    fields, live, past = st.tabs([FIELDS_TAB, LIVE, HISTORY], key="detail_tab", on_change="rerun")
    with fields:
        if not _conflict(client, row):
            _edit(client, row, rights)
    if live.open:
        with live:
            live_view.draw(client, row.id, os.environ.get(timeline.COMMIT_URL, ""))
    if past.open:
        with past:
            history_view.draw(client, row.id, row.draft, _why_not(rights, EDIT, row))


@st.fragment
def _edit(client: Client, row: AppConfig, rights: Rights) -> None:
    why_not = _why_not(rights, EDIT, row)
    # A new generation is a new form: its fields must show what was saved, not what was typed before.
    key = f"edit:{row.id}:{row.generation}"
    form = forms.fields(key, row.draft, live=True, disabled=why_not is not None)
    offers.reason(why_not)
    why = comments.field(APP_CONFIGS, key) if why_not is None else ""
    with st.container(horizontal=True):
        offers.draw("Save", why_not, type="primary", key=f"{key}:save", shortcut="ctrl+s")
        if why_not is None:
            preview_view.draw_button(key)
    if clicks.take(preview_view.clicked(key)):
        preview_view.ask(key, client, row.id, form.draft, form)
    if clicks.take(f"{key}:save") and form.accepted():
        with commented(why):
            _save(client, row, form)
    preview_view.draw(key, form.draft)


def _save(client: Client, row: AppConfig, form: forms.Form) -> None:
    if form.draft == row.draft:
        st.info("Nothing is different, so nothing was saved.")
        return
    with answered("save", forms.NOT_DONE):
        try:
            saved = client.update(row.id, form.draft, row.generation)
        except ConflictError:
            st.session_state["conflict"] = (form.draft, client.get(row.id))
            st.rerun()
        except RefusedError as refusal:
            form.refuse(refusal)
            return
        _start_from(saved, f"Generation {saved.generation} is saved.")


def _conflict(client: Client, row: AppConfig) -> bool:
    """Tell whether there is a choice to be made before anything else is edited."""
    found: tuple[Draft, AppConfig] | None = st.session_state.get("conflict")
    if found is None or found[1].id != row.id:
        return False
    mine, theirs = found
    saved = conflict_view.Saved(vars(theirs.draft), theirs.generation, theirs.updated_by, theirs.updated_at)
    wanted = conflict_view.ask(vars(row.draft), vars(mine), saved, lambda field: FIELDS[field])
    if wanted == vars(theirs.draft):
        _start_from(theirs)
    elif wanted is not None:
        _overwrite(client, Draft(**wanted), mine, theirs)
    return True


def _overwrite(client: Client, wanted: Draft, mine: Draft, theirs: AppConfig) -> None:
    with answered("overwrite", forms.NOT_DONE):
        try:
            _start_from(client.update(theirs.id, wanted, theirs.generation))
        except ConflictError:
            # Somebody was faster once more: show that one.
            st.session_state["conflict"] = (mine, client.get(theirs.id))
            st.rerun()


def _delivery(client: Client, row: AppConfig) -> None:
    with st.container(border=True, key="delivery"):
        st.subheader("Delivery", anchor=False)
        with answered("delivery"):
            status = client.status(row.id)
            _way(status, row)
            if status.generation is None:
                st.warning("Somebody deleted this configuration.")
            elif status.generation > row.generation and "conflict" not in st.session_state:
                st.info(f"Somebody saved generation {status.generation} meanwhile.")
                if clicks.button("Show it"):
                    _start_from(None)
            if _arriving(status.targets) != st.session_state.get(ARRIVING):
                # After all is drawn: the page's pace is set by its next run.
                st.session_state[ARRIVING] = _arriving(status.targets)
                st.rerun()


def _way(status: RowStatus, row: AppConfig) -> None:
    st.html(timeline_view.STYLE)
    # When a newer generation was saved, this page does not know before it is delivered.
    saved_at = row.updated_at if status.generation == row.generation else None
    for track in timeline.tracks(status, saved_at, datetime.now(UTC), os.environ.get(timeline.COMMIT_URL, "")):
        timeline_view.draw(track)
    if not status.targets:
        st.caption("No target has reported yet.")
