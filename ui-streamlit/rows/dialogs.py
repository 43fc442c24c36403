"""The dialogs of rows: create one, delete one with its key typed, and say again what one said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from access.rights import Rights
from client.errors import MissingError, RefusedError
from client.sending import commented
from configurations import forms
from history import version_diff
from preview import view as preview_view
from renderers import manifests_view
from rows import form, values
from rows.form import Client
from rows.models import Column, Columns, Row, Rows
from shared import clicks, comments, formatting
from shared.failures import answered

CREATE: Final = "row:create"
DELETE: Final = "row:delete"
BASE: Final = "row_base"
"""The row as it was when the person opened it."""
NO_PREVIEW: Final = "crud can't preview rows: it is older than the dashboard."


def why_not_write(act: str, renderer: str, columns: Columns, rights: Rights, environment: str = "") -> str | None:
    """Return why a renderer's rows can't be changed here, by the person or by anybody; None if they can."""
    if not columns.editable:
        return f"Read only: {formatting.sentence(columns.why or 'crud changes no rows of this table')}"
    return rights.why_not(act, renderer, environment)


def why_not_change(act: str, row: Row, columns: Columns, rights: Rights) -> str | None:
    """Return the same of one row, which is in an environment, if that is known."""
    return why_not_write(act, row.renderer, columns, rights, row.environment or "")


def create(client: Client, renderer: str, columns: Sequence[Column]) -> None:
    """Ask for the values, show what the row would become, create it and go to it."""
    st.dialog("New row", width="medium", on_dismiss=forms.close)(_create)(client, renderer, columns)


def _create(client: Client, renderer: str, columns: Sequence[Column]) -> None:
    with answered("row:create", forms.NOT_DONE):
        filled = form.fields(client, renderer, f"row:create:{renderer}", columns, None)
        why = comments.field(renderer, "row:create")
        with st.container(horizontal=True):
            clicks.draw("Create", type="primary", key="row:create:save")
            preview_view.draw_button("row:create")
        if clicks.take(preview_view.clicked("row:create")) and filled.accepted():
            preview(client, renderer, None, filled)
        if clicks.take("row:create:save") and filled.accepted():
            try:
                with commented(why):
                    row = client.create_row(renderer, filled.values)
            except RefusedError as refusal:
                filled.refuse(refusal)
            else:
                forms.close()
                open_row(row)


def preview(client: Client, renderer: str, key: str | None, filled: form.RowForm) -> None:
    """Show what a row would become with what is filled in. Nothing is saved."""
    try:
        rendered = client.render(renderer, key, values=filled.values)
    except MissingError:
        st.info(NO_PREVIEW)
    except RefusedError as refusal:
        filled.refuse(refusal)
    else:
        with st.container(border=True):
            st.caption("Nothing is saved yet. What only the database knows, such as a default, is not in it.")
            manifests_view.draw(rendered)


def open_row(row: Row) -> None:
    """Go to a row that was saved just now."""
    st.session_state[BASE] = row
    st.query_params.clear()
    st.query_params.update({"renderer": row.renderer, "key": row.key})
    st.toast(f"Generation {row.generation} is saved.", icon=":material/check:")
    st.rerun()


def delete(client: Rows, row: Row) -> None:
    """Ask for the key, delete the row and go back to the list."""
    st.dialog("Delete row", on_dismiss=forms.close)(_delete)(client, row)


def _delete(client: Rows, row: Row) -> None:
    st.markdown(f"**{formatting.plain(row.key)}** goes from the table, and its resources from every target.")
    typed = st.text_input("Type the key to confirm", key="row:delete:key", live=True, autocomplete="off")
    why = comments.field(row.renderer, "row:delete")
    if not clicks.button(
        "Delete it", type="primary", width="stretch", disabled=typed != row.key, key="row:delete:agreed"
    ):
        return
    with answered("row:delete", forms.NOT_DONE), commented(why):
        client.delete_row(row.renderer, row.key, row.generation)
        forms.close()
        st.query_params.clear()
        st.query_params["renderer"] = row.renderer
        st.toast(f"{formatting.plain(row.key)} is deleted.", icon=":material/delete:")
        st.rerun()


def restore(client: Rows, row: Row, wanted: Mapping[str, Any]) -> None:
    """Ask before a row gets the values `wanted`; one that is deleted is created again."""
    title = "Create it again" if row.deleted else "Restore"
    st.dialog(title, on_dismiss=forms.close)(_restore)(client, row, wanted)


def _restore(client: Rows, row: Row, wanted: Mapping[str, Any]) -> None:
    st.markdown("This is created, as a new row:" if row.deleted else "This is saved, as a new generation:")
    now = None if row.deleted else values.as_lines({name: row.values.get(name) for name in wanted})
    st.code(version_diff.lines(now, values.as_lines(wanted)), language="diff")
    why = comments.field(row.renderer, "row:restore")
    words = "Create it" if row.deleted else "Restore it"
    if not clicks.button(words, type="primary", width="stretch", key="row:restore:agreed"):
        return
    with answered("row:restore", forms.NOT_DONE), commented(why):
        if row.deleted:
            saved = client.create_row(row.renderer, wanted)
        else:
            saved = client.change_row(row.renderer, row.key, wanted, row.generation)
        forms.close()
        open_row(saved)
