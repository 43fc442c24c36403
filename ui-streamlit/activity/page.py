"""What happened, newest first: who changed which row, how, and what became of it; and the audit of all requests."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from access.rights import Rights
from activity import audit_view, view
from activity.models import Activities, Activity, ActivityQuery
from client.errors import RefusedError, UnavailableError
from shared import filters, formatting
from shared.failures import answered
from shared.pager import by_age

if TYPE_CHECKING:
    from streamlit.navigation.page import Page

REFRESH_SECONDS: Final = 3.0
PAGE_SIZE: Final = 25
CHANGES, AUDIT = "Changes", "Audit"


def show(client: Activities, rows: Page, rights: Rights) -> None:
    """Draw the page; `rows` is the one that shows a row."""
    st.title("Activity", anchor=False)
    kind = st.segmented_control(
        "Show",
        (CHANGES, AUDIT),
        default=CHANGES,
        required=True,
        key="activity_kind",
        label_visibility="collapsed",
        persist_state="session",
    )
    if kind == AUDIT:
        audit_view.draw(client, rights)
        return
    query = _filters(client)
    _list(client, query, rows)


def _first_page() -> None:
    st.session_state["activity_cursors"] = []


def _clear() -> None:
    _first_page()
    st.session_state["activity_name"] = ""
    for key in ("activity_person", "activity_change", "activity_outcome"):
        st.session_state[key] = None


def _filters(client: Activities) -> ActivityQuery:
    names, people, changes, outcomes = st.columns([4, 3, 3, 3])
    name = filters.search(names, "Configuration", "activity_name", "Search a configuration's name", _first_page)
    person = _choice(people, "Only this person", "activity_person", _people(client), "Everybody")
    change = _choice(changes, "Only this kind of change", "activity_change", tuple(view.CHANGES), "All changes")
    outcome = _choice(outcomes, "Only this outcome", "activity_outcome", tuple(view.OUTCOMES), "All outcomes")
    return ActivityQuery(person=person, name=name, change=change, outcome=outcome, limit=PAGE_SIZE)


def _choice(place: DeltaGenerator, label: str, key: str, options: tuple[str, ...], placeholder: str) -> str:
    return filters.choice(place, label, key, options, placeholder, _first_page) or ""


def _people(client: Activities) -> tuple[str, ...]:
    known: tuple[str, ...] = st.session_state.get("people", ())
    chosen = st.session_state.get("activity_person")
    # The list says what is wrong; its filter needn't say it too.
    with suppress(UnavailableError, RefusedError):
        known = client.people()
    st.session_state["people"] = known
    return known if not chosen or chosen in known else (*known, chosen)


@st.fragment(run_every=REFRESH_SECONDS)
def _list(client: Activities, query: ActivityQuery, rows: Page) -> None:
    cursors: list[str] = st.session_state.setdefault("activity_cursors", [])
    with answered("activity"):
        page = client.activity(ActivityQuery(**{**vars(query), "cursor": cursors[-1] if cursors else None}))
        if not page.items:
            _empty(query, cursors)
            return
        now = datetime.now(UTC)
        for name, items in view.by_day(page.items, lambda item: item.changed_at, now):
            st.caption(name)
            with st.container(border=True, gap="small"):
                for item in items:
                    _item(item, rows, now)
        if cursors or page.next_cursor:
            by_age(cursors, page.next_cursor)


def _item(item: Activity, rows: Page, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"change-{item.id}"):
        who = f"{view.icon(item)} **{formatting.plain(item.changed_by)}** {view.verb(item)}"
        st.markdown(who, width="content")
        if item.change == "deleted":
            st.markdown(formatting.plain(item.name), width="content")
        else:
            st.page_link(rows, label=formatting.plain(item.name), query_params={"id": str(item.row_id)})
        st.markdown(view.differences(item) or formatting.plain(f"in {item.environment}"), width="stretch")
        for words, colour in view.outcomes(item):
            st.badge(words, color=colour)
        when = formatting.ago(item.changed_at, now)
        st.caption(when, width=view.WHEN_PIXELS, text_alignment="right")


def _empty(query: ActivityQuery, cursors: list[str]) -> None:
    filtered = query != ActivityQuery(limit=PAGE_SIZE)
    none = "Nothing has happened yet. Every change of a configuration will be here."
    with st.container(border=True, horizontal_alignment="center"):
        filters.nothing(cursors, _clear if filtered else None, "Nothing matches." if filtered else none)
