"""A declaration that nobody has applied, tried against a row of one's choice."""

from __future__ import annotations

from typing import Final, Protocol

import streamlit as st

from client.errors import MissingError, RefusedError
from renderers import editor, manifests_view, texts
from renderers.models import Renderer, Renderers
from rows.models import Rows, RowsQuery
from shared.failures import answered

DIFFERENCE, MANIFESTS = "Difference", "Manifests"
HEIGHT: Final = 480
CHOICES: Final = 50
NO_PREVIEW: Final = "crud can't preview this: the row is gone, or crud is older than the dashboard."


class Client(Renderers, Rows, Protocol):
    """What a trial needs."""


def draw(client: Client, renderer: Renderer) -> None:
    """Draw the editor and, beside it, what the row becomes by what is in it."""
    with answered("trial"):
        keys = tuple(row.key for row in client.rows(RowsQuery(renderer.name, limit=CHOICES)).items)
        wanted = st.query_params.get("key")
        options = tuple(dict.fromkeys((*((wanted,) if wanted else ()), *keys)))
        if not options:
            st.caption("There is no row to try it with yet.")
            return
        key = st.selectbox(
            "Row", options, key="trial_row", accept_new_options=True, help="One of the first rows, or any other key."
        )
        left, right = st.columns(2, gap="medium")
        with left:
            text = editor.draw(renderer, HEIGHT, "to see what comes of it.")
        with right:
            _outcome(client, renderer, key, text)


def _outcome(client: Renderers, renderer: Renderer, key: str, text: str) -> None:
    edited = text.strip() != renderer.text.strip()
    try:
        if edited:
            rendered = client.render(renderer.name, key, text=text)
        applied = client.render(renderer.name, key)
    except MissingError:
        st.info(NO_PREVIEW)
        return
    except RefusedError as refusal:
        manifests_view.refused(refusal)
        return
    if not edited:
        st.caption("What the row becomes by the declaration that is applied. Edit it to see what would change.")
        manifests_view.draw(applied)
        return
    kind = st.segmented_control(
        "Show", (DIFFERENCE, MANIFESTS), default=DIFFERENCE, required=True, label_visibility="collapsed"
    )
    if rendered.problems or kind == MANIFESTS:
        manifests_view.draw(rendered)
        return
    before, after = texts.together(applied.manifests), texts.together(rendered.manifests)
    found = texts.difference(before, after, ("applied", "edited"))
    if found:
        st.code(found, language="diff")
    else:
        st.caption("The row becomes the same by both.")
