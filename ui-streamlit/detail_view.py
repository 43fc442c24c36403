"""One configuration: its fields, what became of it at each target, and a way out of a conflict."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

import forms
import view_model
from failures import answered, to_list
from models import AppConfig, Configurations, ConflictError, Draft, RefusedError, TargetStatus

REFRESH_SECONDS = 2.0


def show(client: Configurations, row_id: int, *, can_edit: bool = True) -> None:
    """Draw the room of the one configuration `row_id`."""
    st.button("Configurations", type="tertiary", icon=":material/arrow_back:", on_click=to_list, key="back")
    with answered("row"):
        row = _base(client, row_id)
        _heading(row)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _conflict(client, row)
            _edit(client, row)
        with right:
            _delivery(client, row)
        if st.session_state.get(forms.DIALOG) == "delete":
            forms.delete(client, row)


def _base(client: Configurations, row_id: int) -> AppConfig:
    """Return the row as it was when the person opened it: what they edit must not change under their hands."""
    base: AppConfig | None = st.session_state.get("base")
    if base is None or base.id != row_id:
        base = client.get(row_id)
        st.session_state.pop("conflict", None)
        st.session_state["base"] = base
    return base


def _start_from(row: AppConfig | None) -> None:
    st.session_state.pop("conflict", None)
    st.session_state["base"] = row
    st.rerun()


def _heading(row: AppConfig) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(row.name, anchor=False, width="content")
        if st.button("Delete", icon=":material/delete:"):
            st.session_state[forms.DIALOG] = "delete"
    changed = view_model.ago(row.updated_at, datetime.now(UTC))
    st.caption(f"Row {row.id}, generation {row.generation}, changed {changed} by {view_model.plain(row.updated_by)}")


def _edit(client: Configurations, row: AppConfig) -> None:
    # A new generation is a new form: its fields must show what was saved, not what was typed before.
    key = f"edit:{row.id}:{row.generation}"
    with st.form(key):
        form = forms.fields(key, row.draft)
        wanted = st.form_submit_button("Save", type="primary")
    if not wanted or not forms.accepted(form):
        return
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
            forms.refused(form, refusal)
            return
        st.toast(f"Generation {saved.generation} is saved.", icon=":material/check:")
        _start_from(saved)


def _conflict(client: Configurations, row: AppConfig) -> None:
    found: tuple[Draft, AppConfig] | None = st.session_state.get("conflict")
    if found is None or found[1].id != row.id:
        return
    mine, theirs = found
    when = view_model.ago(theirs.updated_at, datetime.now(UTC))
    who = view_model.plain(theirs.updated_by)
    with st.container(border=True):
        st.warning(f"{who} saved generation {theirs.generation} {when}, after you opened this.")
        differences = view_model.differences(mine, theirs.draft)
        lines = [
            f"| {label} | {view_model.plain(ours)} | {view_model.plain(other)} |" for label, ours, other in differences
        ]
        if lines:
            st.markdown("\n".join([f"| | Yours | Saved by {who} |", "|---|---|---|", *lines]))
        else:
            st.markdown("It says the same as yours.")
        with st.container(horizontal=True):
            if st.button("Save mine over it", type="primary", disabled=not lines):
                _overwrite(client, mine, theirs)
            if st.button("Take what was saved"):
                _start_from(theirs)


def _overwrite(client: Configurations, mine: Draft, theirs: AppConfig) -> None:
    with answered("overwrite", forms.NOT_DONE):
        try:
            _start_from(client.update(theirs.id, mine, theirs.generation))
        except ConflictError:
            # Somebody was faster once more: show that one.
            st.session_state["conflict"] = (mine, client.get(theirs.id))
            st.rerun()


@st.fragment(run_every=REFRESH_SECONDS)
def _delivery(client: Configurations, row: AppConfig) -> None:
    with st.container(border=True):
        st.subheader("Delivery", anchor=False)
        with answered("delivery"):
            status = client.status(row.id)
            for target in view_model.in_order(status.targets):
                _target(target, status.generation)
            if not status.targets:
                st.caption("No target has reported yet.")
            if status.generation is None:
                st.warning("Somebody deleted this configuration.")
            elif status.generation > row.generation and "conflict" not in st.session_state:
                st.info(f"Somebody saved generation {status.generation} meanwhile.")
                if st.button("Show it"):
                    _start_from(None)


def _target(target: TargetStatus, generation: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{view_model.target_label(target.target)}**", width="content")
        word = view_model.shown(target)
        st.badge(word, color=view_model.COLOURS[word])
    details = [view_model.progress(target, generation), view_model.reference(target), view_model.way(target)]
    st.caption("  \n".join(view_model.plain(detail) for detail in details if detail))
    if target.error:
        st.error(view_model.plain(target.error))
