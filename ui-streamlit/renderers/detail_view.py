"""One renderer: its declaration, what its revisions changed, and what a row would become by another declaration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import streamlit as st
from streamlit.navigation.page import Page

from impact import view as impact_view
from impact.models import Impacts
from renderers import summary, texts, trial_view
from renderers.models import Renderer, Renderers, Revision
from rows.models import Rows
from shared import formatting
from shared.failures import answered, to_list

DECLARATION, REVISIONS, TRIAL, IMPACT = "Declaration", "Revisions", "Try an edit", "Impact"
ALL: Final = "Show all renderers"


class Client(Renderers, Impacts, Rows, Protocol):
    """What the room needs."""


def show(client: Client, rooms: Mapping[str, Page], name: str) -> None:
    """Draw the room of the one renderer `name`."""
    st.button("Renderers", type="tertiary", icon=":material/arrow_back:", on_click=to_list, key="back")
    with answered("renderer", back=ALL):
        renderer = client.renderer(name)
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.title(renderer.name, anchor=False, width="content")
            summary.rows_link(rooms, renderer)
        table = texts.table_of(renderer.text)
        st.caption(" · ".join(part for part in (table, summary.about(renderer, datetime.now(UTC))) if part))
        if renderer.fault:
            summary.fault(renderer)
        _tabs(client, rooms, renderer)


def _tabs(client: Client, rooms: Mapping[str, Page], renderer: Renderer) -> None:
    # Who comes with a row wants to try something with it.
    opened = TRIAL if "key" in st.query_params else DECLARATION
    declaration, past, trial, impact = st.tabs(
        [DECLARATION, REVISIONS, TRIAL, IMPACT], key="renderer_tab", default=opened, on_change="rerun"
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
            impact_view.draw(client, rooms, renderer)


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
