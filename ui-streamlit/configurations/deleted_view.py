"""What stays of a configuration that is deleted: its past, its way out of each target, and the way back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from access.models import EDIT
from access.rights import Rights
from client.errors import MissingError
from configurations import forms, timeline, timeline_view
from configurations.models import APP_CONFIGS
from history import view as history_view
from history.view import Client
from shared import formatting
from shared.failures import answered

REFRESH_SECONDS: Final = 2.0


def draw(client: Client, row_id: int, missing: MissingError, rights: Rights) -> None:
    """Draw what stays of a deleted row: its past, and the way back. Raises `missing` if it never was."""
    try:
        found = client.history(row_id, limit=1)
    except MissingError:
        raise missing from None
    last = found.items[0]
    said = last.after or last.before
    st.title(said.name if said else "Configuration", anchor=False)
    why_not = rights.why_not(EDIT, APP_CONFIGS, said.environment if said else "")
    when = formatting.ago(last.changed_at, datetime.now(UTC))
    st.warning(f"{formatting.plain(last.changed_by)} deleted this configuration {when}. Its history stays.")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        history_view.draw(client, row_id, None, why_not)
    with right:
        _removal(client, row_id, last.changed_at)
    if why_not is None and st.session_state.get(forms.DIALOG) == history_view.RESTORE:
        history_view.restore(client, row_id, None)


@st.fragment(run_every=REFRESH_SECONDS)
def _removal(client: Client, row_id: int, deleted_at: datetime) -> None:
    with st.container(border=True, key="delivery"):
        st.subheader("Removal", anchor=False)
        with answered("removal"):
            status = client.status(row_id)
            st.html(timeline_view.STYLE)
            for track in timeline.tracks(
                status, deleted_at, datetime.now(UTC), os.environ.get(timeline.COMMIT_URL, "")
            ):
                timeline_view.draw(track)
