"""What a row said before: who changed what and when, with the way back to any of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import streamlit as st

from client.errors import MissingError
from configurations import forms
from history import version_diff
from history.view import ICONS, RESTORE, ask_to_restore, entry
from rows import dialogs, values
from rows.models import Column, Row, Rows, RowVersion
from shared import formatting, pager
from shared.failures import answered

PAGE_SIZE: Final = 20
NO_HISTORY: Final = "crud has no history of this row: it keeps none, or is older than the dashboard."


def draw(client: Rows, row: Row, columns: Sequence[Column], why_not: str | None) -> None:
    """Draw the versions of a row, newest first; `why_not` is why the person may not restore any, None if they may."""
    cursors: list[str] = st.session_state.setdefault(f"row_past:{row.renderer}/{row.key}", [])
    with answered("row_history"):
        try:
            page = client.row_history(row.renderer, row.key, cursors[-1] if cursors else None, PAGE_SIZE)
            # What the last one on the page changed is seen beside the one before it, which is on the next page.
            more = client.row_history(row.renderer, row.key, page.next_cursor, 1).items if page.next_cursor else ()
        except MissingError:
            st.info(NO_HISTORY)
            return
        if not page.items:
            st.caption("Nothing of it has been recorded yet.")
        for version, before in pairwise((*page.items, more[0] if more else None)):
            if version is not None:
                _version(row, version, before, columns, why_not)
        if cursors or page.next_cursor:
            pager.by_age(cursors, page.next_cursor)


def _version(
    row: Row, version: RowVersion, before: RowVersion | None, columns: Sequence[Column], why_not: str | None
) -> None:
    old = None if before is None or before.deleted else values.as_lines(before.values)
    new = None if version.deleted else values.as_lines(version.values)
    kind = "deleted" if version.deleted else "created" if old is None else "updated"
    who = f"**{formatting.plain(version.actor)}** " if version.actor else "Somebody "
    fields = [name for name in {**(old or {}), **(new or {})} if (old or {}).get(name) != (new or {}).get(name)]
    did = f"changed {formatting.plain(', '.join(fields) or 'nothing')}" if kind == "updated" else f"{kind} it"
    wanted = entry(
        f"row:{version.generation}",
        f"{ICONS[kind]} {who}{did}",
        version.generation,
        version.changed_at,
        version_diff.lines(old, new),
        why_not,
        says_so=not version.deleted and not restorable(row, version, columns),
        restorable=not version.deleted or row.deleted,
    )
    if wanted:
        ask_to_restore(version)


def restorable(row: Row, version: RowVersion, columns: Sequence[Column]) -> dict[str, object]:
    """Return what to save so that a row says again what it said in `version`: nothing if it says so already."""
    said = values.writable(columns, version.values, new=row.deleted)
    return said if row.deleted else values.changed(row.values, said)


def restore(client: Rows, row: Row, columns: Sequence[Column]) -> None:
    """Show the dialog that asks before the row says again what it said."""
    version: RowVersion | None = st.session_state.get(RESTORE)
    wanted = restorable(row, version, columns) if version else None
    if not wanted:
        forms.close()
        return
    dialogs.restore(client, row, wanted)
