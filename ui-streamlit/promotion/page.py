"""Which version is where, promoting one or all that differ, and what waits for an approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

import streamlit as st

from access.models import APPROVE, PROMOTE
from access.rights import Rights
from client.errors import MissingError, RefusedError
from client.sending import commented
from configurations.models import APP_CONFIGS, Configurations
from preview.models import Previews
from promotion import view
from promotion.models import Board, Group, Place, Promotions, Request, Result
from renderers import manifests_view
from renderers.models import Renderers
from shared import clicks, comments, filters, formatting, links, offers
from shared.failures import answered, complaint
from shared.pager import pager

HOW_TO: Final = "docs/how-to/promote.md"
OLDER: Final = "This crud promotes nothing: it is older than the dashboard."
PAGE_SIZE: Final = 20
REFRESH_SECONDS: Final = 5.0
PROMOTING, DECIDING = "promoting", "deciding"
NOT_DONE: Final = "Close"


class Client(Promotions, Renderers, Configurations, Previews, Protocol):
    """What the room needs."""


def show(client: Client, rights: Rights) -> None:
    """Draw the room."""
    st.title("Promotion", anchor=False)
    with answered("promotion"):
        try:
            names = [APP_CONFIGS, *(renderer.name for renderer in client.renderers())]
        except MissingError:
            names = [APP_CONFIGS]
        chosen, search, differs = _filters(names)
        _board(client, chosen, search, differs, rights)
        wanted: tuple[str, tuple[str, ...]] | None = st.session_state.get(PROMOTING)
        deciding: tuple[str, int, bool] | None = st.session_state.get(DECIDING)
        if wanted is not None and rights.why_not(PROMOTE, wanted[0]) is None:
            st.dialog("Promote", width="large", on_dismiss=_close)(_promote)(client, *wanted)
        elif deciding is not None:
            title = "Approve" if deciding[2] else "Refuse"
            st.dialog(title, on_dismiss=_close)(_decide)(client, *deciding)


def _first_page() -> None:
    st.session_state["promotion_cursors"] = []


def _filters(names: Sequence[str]) -> tuple[str, str, bool]:
    what, text, only = st.columns([3, 5, 3], vertical_alignment="center")
    given = st.query_params.get("renderer")
    chosen = what.selectbox(
        "Rows of",
        names,
        index=names.index(given) if given in names else 0,
        key="promotion_renderer",
        format_func=view.label,
        label_visibility="collapsed",
        on_change=_first_page,
        persist_state="session",
    )
    search = filters.search(text, "Search", "promotion_search", "Search what the places share", _first_page)
    differs = only.toggle("Only what differs", key="promotion_differs", on_change=_first_page, persist_state="session")
    return chosen or APP_CONFIGS, search, differs


@st.fragment(run_every=REFRESH_SECONDS)
def _board(client: Client, renderer: str, search: str, differs: bool, rights: Rights) -> None:
    cursors: list[str] = st.session_state.setdefault("promotion_cursors", [])
    with answered("promotion:board"):
        try:
            board = client.promotion_board(renderer, search, differs, cursors[-1] if cursors else None, PAGE_SIZE)
        except MissingError:
            st.info(OLDER)
            return
        if not board.order:
            _begin(renderer, board)
            return
        _requests(client.promotion_requests(renderer), renderer, rights)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(" → ".join(map(formatting.plain, board.order)) + f". {view.gates(board)}", width="stretch")
            possible = any(place.allowed for group in board.items for place in group.places)
            why_not = rights.why_not(PROMOTE, renderer)
            if offers.button("Promote all that differ", why_not, icon=":material/move_up:", disabled=not possible):
                _ask(PROMOTING, (renderer, ()))
        if not board.items:
            clear = _clear if search or differs else None
            filters.nothing(cursors, clear, "Nothing matches." if clear else "No row is in any of these places.")
            return
        now = datetime.now(UTC)
        for group in board.items:
            _group(renderer, group, now, rights)
        pager(board, cursors, PAGE_SIZE)


def _clear() -> None:
    st.session_state["promotion_search"], st.session_state["promotion_differs"] = "", False
    _first_page()


def _begin(renderer: str, board: Board) -> None:
    with st.container(border=True):
        st.markdown(f"**Rows of {formatting.plain(view.label(renderer))} are not promoted.**")
        st.markdown(formatting.plain(formatting.sentence(board.why or "")))
        st.caption(f"[How to promote rows]({links.docs(HOW_TO)})")


def _group(renderer: str, group: Group, now: datetime, rights: Rights) -> None:
    name = " ".join(group.match.values())
    with st.container(border=True, gap="small"):
        st.markdown(f"**{formatting.plain(name)}**")
        for column, place in zip(st.columns(len(group.places)), group.places, strict=True):
            with column:
                _place(renderer, name, place, now, rights)


def _place(renderer: str, name: str, place: Place, now: datetime, rights: Rights) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(formatting.plain(place.place), width="content")
        if place.state:
            st.badge(place.state, color=view.COLOURS.get(place.state, "gray"))
        if place.request is not None:
            st.badge("asked for", color="blue")
    if place.key is not None:
        st.markdown(f"**{formatting.plain(view.values(place))}**")
        st.caption(view.since(place, now))
    if place.allowed and place.request is None:
        why_not = _why_not(rights, PROMOTE, renderer, place.place)
        words = f"Promote {name} to {place.place}"
        icon = ":material/arrow_upward:"
        if offers.button("Promote", why_not, tooltip=words, key=f"promote:{place.key}", icon=icon):
            _ask(PROMOTING, (renderer, (place.key or "",)))
    note = view.note(place)
    if note:
        st.caption(formatting.plain(formatting.sentence(note)))


def _why_not(rights: Rights, act: str, renderer: str, place: str) -> str | None:
    # The places of configurations are environments; those of others are values of any column.
    return rights.why_not(act, renderer, place if renderer == APP_CONFIGS else "")


def _requests(found: Sequence[Request], renderer: str, rights: Rights) -> None:
    now = datetime.now(UTC)
    for request in found:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            ways = f"{request.from_place} → {request.to_place}, row {request.to_key}"
            asked = f"asked for by {request.asked_by}, {formatting.ago(request.asked_at, now)}"
            st.markdown(f"**{formatting.plain(ways)}** {formatting.plain(asked)}", width="stretch")
            st.code(view.changes(request.fields), language="diff")
            why_not = _why_not(rights, APPROVE, renderer, request.to_place)
            for words, approved in (("Approve", True), ("Refuse", False)):
                # Who has asked takes it back, whatever they may beside.
                own = not approved and rights.is_mine(request.asked_by)
                if offers.button(words, None if own else why_not, key=f"{words}:{request.id}"):
                    _ask(DECIDING, (renderer, request.id, approved))


def _ask(what: str, about: object) -> None:
    st.session_state[what] = about
    # The whole page, not this fragment alone: the dialog belongs to the page.
    st.rerun()


def _close() -> None:
    for name in (PROMOTING, DECIDING, "promotion_seen"):
        st.session_state.pop(name, None)


def _promote(client: Client, renderer: str, keys: Sequence[str]) -> None:
    with answered("promote", NOT_DONE):
        # What is confirmed is what was shown: it is asked for once.
        seen: tuple[Result, ...] | None = st.session_state.get("promotion_seen")
        if seen is None:
            seen = st.session_state["promotion_seen"] = client.promotion_preview(renderer, keys)
        possible = [result for result in seen if result.outcome == "possible"]
        for result in seen:
            _preview(client, renderer, result, alone=len(seen) == 1)
        if not possible:
            st.info("Nothing can be promoted now.")
            return
        why = comments.field(renderer, "promote")
        words = "Promote it" if len(possible) == 1 else f"Promote these {len(possible)}"
        if not clicks.button(words, type="primary", width="stretch", key="promote:agreed"):
            return
        with commented(why):
            done = client.promote(renderer, [result.seen for result in possible])
        refused = [result for result in done if result.outcome == "refused"]
        for result in refused:
            st.error(formatting.plain(formatting.sentence(f"row {result.seen.to_key}: {result.why}")))
        if refused:
            st.caption(view.outcome(done))
            st.session_state.pop("promotion_seen", None)
            return
        _close()
        st.toast(formatting.sentence(view.outcome(done)), icon=":material/check:")
        st.rerun()


def _preview(client: Client, renderer: str, result: Result, alone: bool) -> None:
    ways = f"{result.from_place} → {result.to_place}, row {result.seen.to_key}"
    with st.container(border=True):
        st.markdown(f"**{formatting.plain(ways)}**")
        st.code(view.changes(result.fields), language="diff")
        if result.outcome != "possible":
            st.warning(formatting.plain(formatting.sentence(result.why or "")))
        elif result.before is not None and result.after is not None:
            st.caption("What it becomes:")
            manifests_view.difference(result.before, result.after)
        elif renderer == APP_CONFIGS and alone:
            _at_targets(client, result)


def _at_targets(client: Client, result: Result) -> None:
    """What each target would make of a configuration."""
    row = client.get(int(result.seen.to_key))
    draft = replace(row.draft, **{name: new for name, (_, new) in result.fields.items()})
    try:
        targets = client.preview(row.id, draft).targets
    except RefusedError as refusal:
        st.warning(formatting.plain(complaint(refusal)))
        return
    for target in targets:
        st.caption(formatting.target_label(target.target))
        st.code(target.diff or target.unavailable or target.refusal or "the same", language="diff")


def _decide(client: Client, renderer: str, number: int, approved: bool) -> None:
    why = ""
    if approved:
        st.markdown("It is promoted, if both rows are still as they were when it was asked for.")
    else:
        why = (st.text_input("Reason (optional)", key="promotion:why", live=True, autocomplete="off") or "").strip()
    if not clicks.button("Approve it" if approved else "Refuse it", type="primary", key="promotion:decided"):
        return
    with answered("promotion:decide", NOT_DONE):
        client.decide_promotion(renderer, number, approved, why)
        _close()
        st.toast("It is promoted." if approved else "It is refused.", icon=":material/check:")
        st.rerun()
