"""What could not be delivered: why, which row, what was in it; and a way on, with a person's reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from access.models import OPERATE
from access.rights import ANY_RENDERER, Rights
from dead_letters import view
from dead_letters.models import DeadLetters, Letter, LetterPage, LetterQuery
from shared import clicks, formatting, offers
from shared.failures import answered, to_list
from shared.pager import pager

REFRESH_SECONDS = 5.0
PAGE_SIZE = 20
# The dialogs, each with what its button says.
REPLAY, DISCARD = "Replay", "Discard"
ICONS = {REPLAY: ":material/replay:", DISCARD: ":material/delete_sweep:"}
NOT_DONE = "Close"


def show(client: DeadLetters, rights: Rights) -> None:
    """Draw the page of dead letters."""
    st.title("Dead letters", anchor=False)
    query = _filters(rights.targets)
    _list(client, query, rights)
    wanted: tuple[str, tuple[int, ...]] | None = st.session_state.get("resolving")
    if wanted is not None and rights.why_not(OPERATE, ANY_RENDERER) is None:
        _confirm(client, *wanted)


def _first_page() -> None:
    st.session_state["letter_cursors"] = []


def _filters(known: Sequence[str]) -> LetterQuery:
    states, targets, _ = st.columns([3, 3, 5])
    state = states.selectbox(
        "State",
        tuple(view.LETTER_STATES),
        key="letter_state",
        format_func=lambda option: view.LETTER_STATES[option],
        label_visibility="collapsed",
        on_change=_first_page,
        persist_state="session",
    )
    target = targets.selectbox(
        "Only this target",
        known,
        index=None,
        key="letter_target",
        placeholder="All targets",
        format_func=formatting.target_label,
        label_visibility="collapsed",
        on_change=_first_page,
        persist_state="session",
    )
    renderer, key = (st.query_params.get(name) or "" for name in ("renderer", "key"))
    if renderer and key:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Only those of row {formatting.plain(key)} of {formatting.plain(renderer)}.", width="content")
            st.button("Show all", type="tertiary", on_click=to_list)
    return LetterQuery(
        state=state or "open",
        target=target or "",
        renderer=renderer if key else "",
        key=key if renderer else "",
        limit=PAGE_SIZE,
    )


@st.fragment(run_every=REFRESH_SECONDS)
def _list(client: DeadLetters, query: LetterQuery, rights: Rights) -> None:
    cursors: list[str] = st.session_state.setdefault("letter_cursors", [])
    with answered("letters"):
        page = client.letters(LetterQuery(**{**vars(query), "cursor": cursors[-1] if cursors else None}))
        if not page.items:
            _empty(query, cursors)
            return
        why_not = rights.why_not(OPERATE, ANY_RENDERER)
        choosing = query.state == "open" and why_not is None
        if choosing:
            _bulk(page, rights)
        else:
            offers.reason(why_not)
        now = datetime.now(UTC)
        for letter in page.items:
            _line(client, letter, now, choosing, rights)
        pager(page, cursors, PAGE_SIZE)


def _empty(query: LetterQuery, cursors: list[str]) -> None:
    if cursors:
        # What was on this page is resolved since.
        cursors.clear()
        st.rerun()
    with st.container(border=True, horizontal_alignment="center"):
        if query == LetterQuery(limit=PAGE_SIZE):
            text = "No dead letter is open: all that could be read was delivered, or is on its way."
        else:
            text = "No dead letter matches."
        st.markdown(text, width="content")


def _chosen(page: LetterPage) -> tuple[int, ...]:
    """Return those in sight that are ticked."""
    return tuple(letter.id for letter in page.items if st.session_state.get(f"choose:{letter.id}"))


def _choose_all(ids: Sequence[int]) -> None:
    for letter_id in ids:
        st.session_state[f"choose:{letter_id}"] = st.session_state["choose:all"]


def _why_not(rights: Rights, letter: Letter) -> str | None:
    # Of what could not be read nobody knows whose it is.
    return rights.why_not(OPERATE, letter.renderer) if letter.renderer else rights.why_not_at_all(OPERATE)


def _bulk(page: LetterPage, rights: Rights) -> None:
    ids, chosen = tuple(letter.id for letter in page.items), _chosen(page)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.checkbox("Choose all in sight", key="choose:all", on_change=_choose_all, args=(ids,), width="stretch")
        wanted = chosen or ids
        whys = (_why_not(rights, letter) for letter in page.items if letter.id in wanted)
        why_not = next(filter(None, whys), None)
        for action in (REPLAY, DISCARD):
            words = f"{action} the {len(chosen)} chosen" if chosen else f"{action} these {len(ids)}"
            if offers.button(words, why_not, key=f"{action}:all", icon=ICONS[action]):
                _ask(action, wanted)


def _line(client: DeadLetters, letter: Letter, now: datetime, choosing: bool, rights: Rights) -> None:
    title = view.letter_title(letter, now)
    if not choosing:
        _letter(client, letter, title, now, choosing, rights)
        return
    with st.container(horizontal=True, vertical_alignment="top"):
        st.checkbox(f"Choose {title}", key=f"choose:{letter.id}", label_visibility="collapsed", width="content")
        _letter(client, letter, title, now, choosing, rights)


def _letter(client: DeadLetters, letter: Letter, title: str, now: datetime, choosing: bool, rights: Rights) -> None:
    # With a key of its own, it stays open while its title counts the minutes.
    with st.expander(formatting.plain(title), key=f"letter:{letter.id}"):
        st.error(formatting.plain(letter.error))
        st.caption(formatting.plain(view.letter_facts(letter)))
        if letter.resolved_at is not None:
            st.info(formatting.plain(view.resolution(letter, now)))
        # Asked for one by one: together, a page of the largest would be more than a sidecar passes on.
        if st.toggle("Show the event", key=f"event:{letter.id}"):
            with answered(f"event:{letter.id}"):
                # As text: the page's own JSON view would take a number or a string for code.
                event = json.dumps(client.letter_event(letter.id), indent=2, ensure_ascii=False)
                st.code(event, language="json", height=260)
        if choosing:
            with st.container(horizontal=True):
                for action in (REPLAY, DISCARD):
                    if offers.button(action, _why_not(rights, letter), key=f"{action}:{letter.id}", icon=ICONS[action]):
                        _ask(action, (letter.id,))


def _ask(action: str, ids: tuple[int, ...]) -> None:
    st.session_state["resolving"] = (action, ids)
    # The whole page, not this fragment alone: the dialog belongs to the page.
    st.rerun()


def _close() -> None:
    st.session_state.pop("resolving", None)


def _confirm(client: DeadLetters, action: str, ids: tuple[int, ...]) -> None:
    what = "this dead letter" if len(ids) == 1 else f"these {len(ids)} dead letters"
    st.dialog(f"{action} {what}", on_dismiss=_close)(_dialog)(client, action, ids)


def _dialog(client: DeadLetters, action: str, ids: tuple[int, ...]) -> None:
    if action == REPLAY:
        st.markdown("What was sent goes to its target once more. If a newer generation is there, it changes nothing.")
    else:
        st.markdown("Nothing is delivered. Who discarded it and why stays with it.")
    label = "Reason" if action == DISCARD else "Reason (optional)"
    reason = (st.text_input(label, key=f"reason:{action}", live=True, autocomplete="off", max_chars=2000) or "").strip()
    missing = action == DISCARD and not reason
    if not clicks.button(f"{action} it" if len(ids) == 1 else f"{action} them", type="primary", disabled=missing):
        return
    with answered("resolve", NOT_DONE):
        (client.replay if action == REPLAY else client.discard)(ids, reason)
        _close()
        st.toast(f"{view.LETTER_STATES['replayed' if action == REPLAY else 'discarded']}: {len(ids)}.")
        st.rerun()
