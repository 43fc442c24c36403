"""One renderer: its declaration, what its revisions changed, and what a row would become by another declaration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import streamlit as st
from streamlit.navigation.page import Page

from access.models import IMPACT as SEE_IMPACT
from access.rights import Rights
from impact import view as impact_view
from impact.models import Impacts
from renderers import summary, texts, trial_view
from renderers.models import Renderer, Renderers, Revision
from rollouts import list_view
from rollouts import page as rollout_page
from rollouts.models import Rollouts
from rows.models import Rows
from shared import formatting
from shared.failures import answered, to_list

DECLARATION, REVISIONS, TRIAL, IMPACT, ROLLOUTS = "Declaration", "Revisions", "Try an edit", "Impact", "Roll-outs"
TAB: Final = "renderer_tab"
ALL: Final = "Show all renderers"


class Client(Renderers, Impacts, Rollouts, Rows, Protocol):
    """What the room needs."""


def show(client: Client, rooms: Mapping[str, Page], name: str, rights: Rights) -> None:
    """Draw the room of the one renderer `name`, or of the roll-out of it that the address names."""
    number = list_view.number(st.query_params)
    if number is not None:
        rollout_page.show(client, rooms, name, number, _to_rollouts, rights)
        return
    st.button("Renderers", type="tertiary", icon=":material/arrow_back:", on_click=to_list, key="back")
    with answered("renderer", back=ALL):
        renderer = client.renderer(name)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.title(renderer.name, anchor=False, width="content")
            with st.container(horizontal=True, vertical_alignment="center", width="content"):
                summary.states(renderer)
                summary.rows_link(rooms, renderer)
        table = texts.table_of(renderer.text)
        st.caption(" · ".join(part for part in (table, summary.about(renderer, datetime.now(UTC))) if part))
        if renderer.fault:
            summary.fault(renderer)
        _tabs(client, rooms, renderer, rights)


def _to_rollouts() -> None:
    st.query_params.pop(list_view.NUMBER, None)
    st.session_state[TAB] = ROLLOUTS


def _tabs(client: Client, rooms: Mapping[str, Page], renderer: Renderer, rights: Rights) -> None:
    wanted = st.session_state.pop(impact_view.WANTED, None)
    if wanted is not None:
        impact_view.of_revision(renderer.name, wanted)
        st.session_state[TAB] = IMPACT
    # Who comes with a row wants to try something with it.
    opened = TRIAL if "key" in st.query_params else DECLARATION
    declaration, past, trial, impact, rollouts = st.tabs(
        [DECLARATION, REVISIONS, TRIAL, IMPACT, ROLLOUTS], key=TAB, default=opened, on_change="rerun"
    )
    with declaration:
        st.code(renderer.text, language="yaml", line_numbers=True)
    if past.open:
        with past:
            _revisions(client, renderer)
    if trial.open:
        with trial:
            trial_view.draw(client, renderer)
    if impact.open:
        with impact:
            impact_view.draw(client, rooms, renderer, rights.why_not(SEE_IMPACT, renderer.name))
    if rollouts.open:
        with rollouts:
            list_view.draw(client, renderer, rights)


def _revisions(client: Renderers, renderer: Renderer) -> None:
    with answered("revisions", back=ALL):
        revisions = {one.revision: one for one in client.revisions(renderer.name)}
        numbers = tuple(revisions)
        if len(numbers) < 2:
            st.caption(f"Revision {renderer.revision} is the only one.")
            return
        left, right = st.columns(2)
        older = left.selectbox("From", numbers, index=1, format_func=lambda number: _named(revisions[number]))
        newer = right.selectbox("To", numbers, index=0, format_func=lambda number: _named(revisions[number]))
        before, after = (client.revision_text(renderer.name, number) for number in (older, newer))
        found = texts.difference(before, after, (f"revision {older}", f"revision {newer}"))
        if found:
            st.code(found, language="diff")
        else:
            st.caption("Both say the same. The columns of the table may have changed between them.")


def _named(revision: Revision) -> str:
    when = formatting.ago(revision.applied_at, datetime.now(UTC))
    return f"Revision {revision.revision}, {when}, by {revision.applied_by}"
