"""One roll-out as it goes: its steps, which rows do not do well and in whose words, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import streamlit as st
from streamlit.navigation.page import Page

from access.models import OPERATE_ROLLOUT
from access.rights import Rights
from navigation import ROWS
from rollouts import list_view, words
from rollouts.models import Rollout, RolloutAction, RolloutRow, RolloutRowState, Rollouts, Step
from shared import clicks, formatting, offers, pager
from shared.failures import answered

REFRESH_SECONDS: Final = 2.0
PAGE_SIZE: Final = 20
TELLING: Final = "rollout_telling"
CURSORS: Final = "rollout_row_cursors"
SHOWN: Final = "rollout_shown"
ICONS: Final[Mapping[str, str]] = {"done": "✓", "waiting": "○"}


def show(
    client: Rollouts,
    rooms: Mapping[str, Page],
    name: str,
    number: int,
    to_list: Callable[[], None],
    rights: Rights,
) -> None:
    """Draw the page of the roll-out `number` of the renderer `name`; `to_list` leads back to the others."""
    back = formatting.plain(f"Roll-outs of {name}")
    st.button(back, type="tertiary", icon=":material/arrow_back:", on_click=to_list, key="back")
    if st.session_state.get(SHOWN) != (name, number):
        st.session_state[SHOWN] = (name, number)
        _close()
        _first_page()
    with answered("rollout", back="Show all renderers"):
        rollout = client.rollout(name, number)
        st.title(formatting.plain(f"Roll-out {number} of {name}"), anchor=False)
        # What is over changes no more; its rows may.
        pace = REFRESH_SECONDS if rollout.under_way else None
        st.fragment(_rollout, run_every=pace)(client, rooms, name, number, rights, rollout.state)
        telling: RolloutAction | None = st.session_state.get(TELLING)
        if telling and rights.why_not(OPERATE_ROLLOUT, name) is None:
            st.dialog(words.ACTIONS[telling][0], on_dismiss=_close)(_confirm)(client, rollout, telling)


def _rollout(client: Rollouts, rooms: Mapping[str, Page], name: str, number: int, rights: Rights, state: str) -> None:
    with answered("rollout:now", back="Show all renderers"):
        rollout = client.rollout(name, number)
        if rollout.state != state:
            # The page's pace, and what it offers, depend on the state.
            st.rerun()
        _head(rollout, rights.why_not(OPERATE_ROLLOUT, name))
        for place, step in enumerate(rollout.steps):
            _step(rollout, place, step)
        _rows(client, rooms, rollout)


def _head(rollout: Rollout, why_not: str | None) -> None:
    now = datetime.now(UTC)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(rollout.state, color=words.COLOURS.get(rollout.state, "gray"))
        st.caption(formatting.plain(words.about(rollout, now)), width="stretch")
        for action in words.actions(rollout):
            label, icon = words.ACTIONS[action]
            if offers.button(label, why_not, icon=icon, key=f"rollout:{action}", tooltip=words.MEANINGS[action]):
                st.session_state[TELLING] = action
                # The whole page: the dialog belongs to it.
                st.rerun()
    list_view.state(rollout)
    more = words.changed_since(rollout)
    st.caption(formatting.plain(f"{words.limits(rollout)} {more}".strip()))


def _step(rollout: Rollout, place: int, step: Step) -> None:
    with st.container(border=True, gap="small", key=f"rollout-step-{place}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            sign = ICONS.get(step.state, "●")
            st.markdown(f"{sign} **Step {place + 1}** {formatting.plain(words.step(step))}", width="content")
            st.caption(words.at(step, datetime.now(UTC)), width="content")
        if step.state != "waiting":
            st.progress(words.share(step), text=words.counts(step))


def _first_page() -> None:
    st.session_state[CURSORS] = []


def _rows(client: Rollouts, rooms: Mapping[str, Page], rollout: Rollout) -> None:
    st.subheader("Its rows", anchor=False)
    failed = any(step.failed for step in rollout.steps)
    first: RolloutRowState = "failed" if failed else "pending" if rollout.under_way else "ready"
    state = st.segmented_control(
        "Rows that are",
        tuple(words.ROW_STATES),
        default=first,
        required=True,
        format_func=lambda option: words.ROW_STATES[option],
        # Once it is over, others are of interest than while it goes.
        key=f"rollout_rows:{rollout.id}:{rollout.under_way}",
        label_visibility="collapsed",
        on_change=_first_page,
    )
    cursors: list[str] = st.session_state.setdefault(CURSORS, [])
    page = client.rollout_rows(rollout.renderer, rollout.id, state or first, cursors[-1] if cursors else None)
    if not page.items:
        if cursors:
            # What was on this page has gone on since.
            cursors.clear()
            st.rerun()
        st.caption(words.NONE[state or first])
    for row in page.items:
        _row(rooms, rollout, row)
    if cursors or page.next_cursor:
        pager.by_age(cursors, page.next_cursor, ("Previous", "Next"))


def _row(rooms: Mapping[str, Page], rollout: Rollout, row: RolloutRow) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        query = {"renderer": rollout.renderer, "key": row.key}
        st.page_link(rooms[ROWS], label=formatting.plain(f"Row {row.key}"), query_params=query)
        facts = (row.name, row.environment, f"step {row.step + 1}", f"generation {row.generation}")
        st.caption(formatting.plain(" · ".join(fact for fact in facts if fact)), width="stretch")
    if row.message:
        where = f"**{formatting.plain(formatting.target_label(row.target))}:** " if row.target else ""
        said = f"{where}{formatting.plain(formatting.sentence(row.message))}"
        if row.state == "failed":
            st.error(said)
        else:
            st.caption(said)


def _close() -> None:
    st.session_state.pop(TELLING, None)


def _confirm(client: Rollouts, rollout: Rollout, action: RolloutAction) -> None:
    label, icon = words.ACTIONS[action]
    st.markdown(words.MEANINGS[action])
    st.markdown(f"**{formatting.plain(words.done_so_far(rollout))}**")
    limit = None
    if action == "resume":
        failed = sum(step.failed for step in rollout.steps)
        if failed > rollout.failure_limit:
            st.caption(f"{failed:,} have failed: with its limit it would stop again, unless they do well meanwhile.")
        limit = st.number_input("Failed rows allowed", 0, value=rollout.failure_limit, key="rollout_limit")
    if clicks.button(f"{label} it", type="primary", icon=icon, key="rollout:told"):
        with answered("rollout:tell", "Close"):
            changed = limit if limit != rollout.failure_limit else None
            client.tell_rollout(rollout.renderer, rollout.id, action, changed)
            _close()
            st.rerun()
