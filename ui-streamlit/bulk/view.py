"""Many configurations at once: the bar above the table, and the dialogs that ask before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import streamlit as st

from access.models import DELETE, EDIT
from access.rights import Rights
from bulk.models import MOST, Bulk
from client.errors import FieldError, RefusedError
from client.sending import commented
from configurations import forms, rules, selection
from configurations.models import APP_CONFIGS, AppConfig, Configurations, Page, Query
from shared import clicks, comments, formatting, offers
from shared.failures import answered

ROWS: Final = "bulk_rows"
REFUSED: Final = "bulk_refused"
ACTS: Final = {"branch": EDIT, "environment": EDIT, "delete": DELETE}
ACTIONS: Final = {"branch": "Branch", "environment": "Environment", "delete": "Delete"}
ICONS: Final = {
    "branch": ":material/alt_route:",
    "environment": ":material/deployed_code:",
    "delete": ":material/delete:",
}
NAMED: Final = 8


class Client(Configurations, Bulk, Protocol):
    """What changes of many rows need."""


def bar(client: Client, query: Query, page: Page, rows: Sequence[AppConfig], rights: Rights) -> None:
    """Draw what can be done with the ticked ones of `rows`; always of one height, so that nothing jumps."""
    chosen = selection.chosen(rows)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="bulk"):
        st.markdown(_chosen(len(chosen)), width="stretch")
        if chosen and len(chosen) == len(rows) and page.total > len(rows):
            _everything(client, query, page.total)
        for action, label in ACTIONS.items():
            why_not = _why_not(rights, ACTS[action], chosen)
            key, icon = f"bulk:{action}", ICONS[action]
            if offers.button(label, why_not, disabled=not chosen, key=key, icon=icon, type="tertiary"):
                st.session_state[forms.DIALOG] = f"bulk:{action}"
                st.session_state[ROWS] = chosen
                st.session_state.pop(REFUSED, None)
                # The whole page: a dialog belongs to it, not to the fragment of the table.
                st.rerun()
        st.button("Clear", key="bulk:clear", type="tertiary", disabled=not chosen, on_click=selection.clear)


def _why_not(rights: Rights, act: str, chosen: Sequence[AppConfig]) -> str | None:
    places = {row.environment for row in chosen} or {""}
    return next(filter(None, (rights.why_not(act, APP_CONFIGS, place) for place in sorted(places))), None)


def _chosen(count: int) -> str:
    return f"**{count:,} chosen**" if count else ":small[:gray[Tick rows to change or delete several at once]]"


def _everything(client: Client, query: Query, total: int) -> None:
    if total > MOST:
        st.caption(f"At most {MOST:,} at once", width="content")
    elif clicks.button(f"Choose all {total:,} that match", type="tertiary", key="bulk:all"):
        found = client.list(Query(**{**vars(query), "limit": MOST, "cursor": None}))
        st.session_state[selection.ALL] = found.items
        st.rerun()


def dialog(client: Client, wanted: str) -> None:
    """Show the dialog of one action, `bulk:delete` and so on."""
    rows: tuple[AppConfig, ...] = st.session_state.get(ROWS, ())
    action = wanted.removeprefix("bulk:")
    if not rows or action not in ACTIONS:
        forms.close()
        return
    what = formatting.counted(len(rows), "configuration")
    title = f"Delete {what}" if action == "delete" else f"Change the {action} of {what}"
    st.dialog(title, on_dismiss=forms.close)(_ask)(client, action, rows)


def _ask(client: Client, action: str, rows: tuple[AppConfig, ...]) -> None:
    st.markdown(_named(rows))
    agreed, value = _deleting(rows) if action == "delete" else _changing(action, rows)
    why = comments.field(APP_CONFIGS, "bulk")
    label = f"Delete {len(rows):,}" if action == "delete" else f"Change {len(rows):,}"
    if clicks.button(label, type="primary", width="stretch", disabled=not agreed, key="bulk:agreed"):
        with commented(why):
            _apply(client, action, rows, value)
    _refused(rows)


def _apply(client: Client, action: str, rows: tuple[AppConfig, ...], value: str) -> None:
    st.session_state.pop(REFUSED, None)
    with answered("bulk", forms.NOT_DONE):
        try:
            if action == "delete":
                client.delete_all(rows)
            else:
                client.change_all(rows, {action: value})
        except RefusedError as refusal:
            if not any(error.index is not None for error in refusal.errors):
                raise
            st.session_state[REFUSED] = refusal.errors
            return
        _done(f"{formatting.counted(len(rows), 'configuration')} {'deleted' if action == 'delete' else 'changed'}.")


def _done(said: str) -> None:
    forms.close()
    selection.clear()
    st.toast(said, icon=":material/check:")
    st.rerun()


def _named(rows: Sequence[AppConfig]) -> str:
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    return ", ".join(f"**{formatting.plain(row.name)}**" for row in rows[:NAMED]) + more


def _deleting(rows: Sequence[AppConfig]) -> tuple[bool, str]:
    st.caption("They go from every target as well. Their history stays.")
    phrase = f"delete {len(rows)}"
    typed = st.text_input(f"Type `{phrase}` to confirm", key="bulk:typed", live=True, autocomplete="off")
    return (typed or "").strip() == phrase, ""


def _changing(action: str, rows: Sequence[AppConfig]) -> tuple[bool, str]:
    hint = forms.HINTS[action]
    value = st.text_input(f"New {action}", key=f"bulk:{action}:value", live=True, autocomplete="off", placeholder=hint)
    value = (value or "").strip()
    error = rules.field_error(action, value) if value else None
    already = sum(getattr(row, action) == value for row in rows)
    if error:
        st.markdown(f":small[:red[:material/error: {formatting.plain(error.message)}]]")
    else:
        said = f"{already:,} of them have it already." if already else "Each becomes a new generation."
        st.markdown(f":small[:gray[{said}]]")
    return bool(value) and not error and already < len(rows), value


def _refused(rows: tuple[AppConfig, ...]) -> None:
    errors: tuple[FieldError, ...] = st.session_state.get(REFUSED, ())
    if not errors:
        return
    found = {error.index: error.message for error in errors if error.index is not None}
    lines = [f"- {rows[index].name}: {message}" for index, message in found.items() if index < len(rows)]
    st.error("Nothing was changed: somebody was faster.\n" + formatting.plain_lines(lines[:NAMED]))
    if clicks.button("Leave these out", width="stretch", key="bulk:leave"):
        st.session_state[ROWS] = tuple(row for index, row in enumerate(rows) if index not in found)
        st.session_state.pop(REFUSED, None)
        if not st.session_state[ROWS]:
            _done("Nothing was left to do.")
        st.rerun()
