"""What to roll out, and in which steps: asked in a dialog, which says at its end what is going to be done."""

from __future__ import annotations

from itertools import count
from typing import Final, Protocol

import streamlit as st

from client.errors import RefusedError
from impact import view as impact_view
from impact import words as impact_words
from impact.models import Impact, Impacts
from renderers.models import Renderer, Renderers
from rollouts import words
from rollouts.models import Rollout, RolloutDraft, Rollouts, StepDraft
from shared import clicks, formatting
from shared.failures import answered

DIALOG: Final = "rollout_dialog"
START: Final = "start"
STEPS: Final = "rollout_steps"
NEXT: Final = "rollout_next_step"
ROWS, SHARE, FILTER = "Number of rows", "Share of all rows (%)", "Filter"
FIRST: Final = ((ROWS, 10), (SHARE, 25))
"""What is proposed: few rows, then some."""
EXAMPLE: Final = "environment == 'staging'"
MOST: Final = 50
HOLD_SECONDS, READY_SECONDS = 60, 600


class Client(Renderers, Impacts, Rollouts, Protocol):
    """What the dialog needs."""


def ask(client: Client, renderer: Renderer) -> Rollout | None:
    """Ask for everything; the roll-out that was started, once it was."""
    with answered("rollout:start", "Close"):
        numbers = tuple(one.revision for one in client.revisions(renderer.name))
        revision = st.selectbox("Revision", numbers, key="rollout_revision")
        if revision is None:
            return None
        steps = _steps()
        without = [number for number, step in enumerate(steps, 1) if step.filter == ""]
        hold, limit, ready = st.columns(3)
        hold_seconds = hold.number_input(
            "Each step holds (s)", 0, value=HOLD_SECONDS, key="rollout_hold", help="So long its rows have to do well."
        )
        failures = limit.number_input(
            "Failed rows allowed", 0, value=0, key="rollout_failures", help="More failed rows stop it by itself."
        )
        ready_seconds = ready.number_input(
            "Failed if not ready after (s)", 0, value=READY_SECONDS, key="rollout_ready", help="0 waits for ever."
        )
        impact = impact_view.seen(renderer.name, client.revision_text(renderer.name, revision))
        token, changed = _impact(renderer, revision, impact)
        draft = RolloutDraft(revision, steps, hold_seconds, failures, ready_seconds or None, token, changed)
        if without:
            st.caption(f"Step {without[0]} has no filter yet.")
        else:
            st.markdown(f"**{formatting.plain(words.plan(draft, renderer.rows))}**")
        agreed = _agreed(impact) and not without
        if not clicks.button(
            "Start it", type="primary", icon=":material/play_arrow:", disabled=not agreed, key="rollout:agreed"
        ):
            return None
        try:
            return client.start_rollout(renderer.name, draft)
        except RefusedError as refusal:
            _refused(refusal)
    return None


def close() -> None:
    """Forget what was typed, and the dialog."""
    for key in (DIALOG, STEPS, NEXT):
        st.session_state.pop(key, None)


def _steps() -> tuple[StepDraft, ...]:
    places: list[int] = st.session_state.setdefault(STEPS, list(range(len(FIRST))))
    st.markdown("**Steps** (a number and a share say how many rows have the revision at the step's end)")
    found = [_step(number, place) for number, place in enumerate(places, 1)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Add a step", icon=":material/add:", on_click=_add, disabled=len(places) >= MOST, key="step:add")
        st.caption("The last step is of all rows, and comes by itself.", width="content")
    return tuple(found)


def _add() -> None:
    places: list[int] = st.session_state[STEPS]
    places.append(next(st.session_state.setdefault(NEXT, count(len(FIRST)))))


def _step(number: int, place: int) -> StepDraft:
    proposed, value = FIRST[place] if place < len(FIRST) else (SHARE, 50)
    kinds = (ROWS, SHARE, FILTER)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(f"Step {number}", kinds, index=kinds.index(proposed), key=f"step:{place}:kind", width=210)
        label = f"Value of step {number}"
        if kind == FILTER:
            text = st.text_input(
                label, key=f"step:{place}:filter", placeholder=EXAMPLE, help="CEL over `row`, `name`, `environment`."
            )
            found = StepDraft(filter=(text or "").strip())
        elif kind == ROWS:
            found = StepDraft(rows=st.number_input(label, 1, value=value, key=f"step:{place}:rows"))
        else:
            share = st.number_input(label, 0.1, 100.0, value=float(value), step=5.0, key=f"step:{place}:share")
            found = StepDraft(share=share)
        st.button(
            "Remove",
            icon=":material/delete:",
            on_click=st.session_state[STEPS].remove,
            args=(place,),
            key=f"step:{place}:remove",
        )
    return found


def _impact(renderer: Renderer, revision: int, impact: Impact | None) -> tuple[str | None, int | None]:
    """Draw what its impact says; the token and how many rows may have changed since."""
    with st.container(border=True):
        if impact is None:
            st.markdown("Nobody has looked at its impact in this session.")
            if clicks.button("See its impact first", icon=":material/visibility:", key="rollout:impact"):
                close()
                st.session_state[impact_view.WANTED] = revision
                st.rerun()
        else:
            st.markdown(formatting.plain(impact_words.headline(impact)))
            if loud := impact_words.moved(impact):
                st.error(formatting.plain(loud), icon=":material/warning:")
            if impact.collisions:
                st.warning("Some rows want the same object; only one of them gets it.")
        # It is another one with each revision, and each look.
        known = impact.token if impact else ""
        token = st.text_input(
            "Token of an impact (optional)", known, key=f"rollout_token:{renderer.name}:{revision}:{known}"
        )
        changed = None
        if token and token.strip():
            changed = st.number_input(
                "Rows that may have changed since", 0, value=None, placeholder="any number", key="rollout_changed"
            )
    return (token or "").strip() or None, changed


def _agreed(impact: Impact | None) -> bool:
    moved = impact.objects.get("moved", 0) if impact else 0
    removed = impact.objects.get("removed", 0) if impact else 0
    if not moved and not removed:
        return True
    parts = [
        f"{count:,} {word}"
        for count, word in ((moved, "moved (deleted, and made anew)"), (removed, "removed"))
        if count
    ]
    return bool(st.checkbox(f"Objects are deleted: {', '.join(parts)}. That is meant.", key="rollout_meant"))


def _refused(refusal: RefusedError) -> None:
    for error in refusal.errors:
        where = formatting.plain(words.place(error.field))
        st.error(f"**{where}** {formatting.plain(formatting.sentence(error.message or error.rule))}")
    if not refusal.errors:
        st.error(formatting.plain(formatting.sentence(refusal.detail or refusal.title)))
