"""What somebody was typing when their login ended, kept in this process until they are back."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import streamlit as st
from streamlit.navigation.page import Page

from login.identity import Who
from shared import clicks

FORMS: Final = ("edit:", "create:", "row:", "trial:", "import_text")
"""What the keys of fields begin with in which people write."""
BUTTONS: Final = (":save", ":preview", ":agreed")
STATE: Final = ("base", "conflict", "row_base", "row_conflict", "dialog")
"""What else a form is drawn from: the row as it was when it was opened, and which dialog is open."""
HOURS: Final = 12
MOST: Final = 200
MOST_CHARACTERS: Final = 1_000_000
_SEEN: Final = "seen_of"
_FIRST: Final = "first_of"
_RESTORED: Final = "restored"


@dataclass(frozen=True)
class Draft:
    """The fields of one page by their keys, and the way back to it; `at` is of the monotonic clock."""

    room: str
    query: Mapping[str, str]
    values: Mapping[str, Any]
    at: float


class Drafts:
    """One draft for each person, the newest; of the oldest persons none, where there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._drafts: OrderedDict[str, Draft] = OrderedDict()
        self._lock = Lock()
        self._clock = clock

    def keep(self, person: str, room: str, query: Mapping[str, str], values: Mapping[str, Any]) -> bool:
        """Keep what somebody has typed, and tell whether it is kept."""
        if sum(len(value) for value in values.values() if isinstance(value, str)) > MOST_CHARACTERS:
            return False
        with self._lock:
            self._drafts.pop(person, None)
            self._drafts[person] = Draft(room, query, values, self._clock())
            while len(self._drafts) > MOST:
                self._drafts.popitem(last=False)
        return True

    def of(self, person: str) -> Draft | None:
        """Return what is kept of somebody, if it isn't too old."""
        with self._lock:
            draft = self._drafts.get(person)
            return draft if draft and self._clock() - draft.at < HOURS * 3600 else None

    def forget(self, person: str) -> None:
        """Keep it no longer."""
        with self._lock:
            self._drafts.pop(person, None)


DRAFTS: Final = Drafts()


def seen(who: Who, room: str) -> None:
    """Remember who is in which room: when the login has ended, nothing else says so."""
    st.session_state[_SEEN] = (who.person, room) if who.source == "login" and who.verified else None


def begin() -> frozenset[str]:
    """Put into the fields what is being gone on with, and return the keys of those that there are. Before any is drawn.

    In each run until one comes to its end: of a run that is ended early the browser may see nothing, and a later one
    tells it of a field's value only where that is set anew.
    """
    restored: Mapping[str, Any] = st.session_state.get(_RESTORED, {})
    st.session_state.update(restored)
    return frozenset(_fields())


def end(before: frozenset[str]) -> None:
    """Remember what new fields were drawn with. After all are drawn; not for a run that is ended early."""
    first: dict[str, Any] = st.session_state.setdefault(_FIRST, {})
    first.update((key, value) for key, value in _fields().items() if key not in before)
    st.session_state.pop(_RESTORED, None)


def keep() -> bool:
    """Keep what the session's last person was typing, and tell whether something is kept. For the first run after."""
    person, room = st.session_state.get(_SEEN) or ("", "")
    if not person:
        return False
    first = st.session_state.get(_FIRST, {})
    # Who has only looked was not typing; what isn't known is kept.
    typed = {key: value for key, value in _fields().items() if key not in first or first[key] != value}
    if typed:
        state = {key: st.session_state[key] for key in STATE if key in st.session_state}
        DRAFTS.keep(person, room, st.query_params.to_dict(), {**typed, **state})
    return DRAFTS.of(person) is not None


def _fields() -> dict[str, Any]:
    return {str(key): value for key, value in st.session_state.items() if _is_field(str(key))}


def _is_field(key: str) -> bool:
    return key.startswith(FORMS) and not key.endswith(BUTTONS)


def offer(who: Who, rooms: Mapping[str, Page]) -> None:
    """Offer to go on with what is kept of somebody, if there is anything."""
    draft = DRAFTS.of(who.person) if who.source == "login" and who.verified else None
    if draft is None or draft.room not in rooms:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="draft"):
        st.markdown(
            f":material/edit_note: Your login ended while you were typing in **{draft.room}**. It is kept, not saved.",
            width="stretch",
        )
        if clicks.button("Go on with it", type="primary", key="draft_go_on"):
            DRAFTS.forget(who.person)
            st.session_state.update(draft.values)
            st.session_state[_RESTORED] = {key: value for key, value in draft.values.items() if _is_field(key)}
            st.switch_page(rooms[draft.room], query_params=dict(draft.query))
        st.button("Discard it", key="draft_discard", on_click=DRAFTS.forget, args=(who.person,))
