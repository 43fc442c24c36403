"""What a configuration said before: who changed what and when, with the way back to any of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

import streamlit as st

from client.sending import commented
from configurations import forms
from configurations.models import APP_CONFIGS, AppConfig, Configurations, Draft
from history import version_diff
from history.models import Histories, Version
from shared import clicks, comments, formatting, offers, pager
from shared.failures import answered

ICONS: Final = {"created": ":material/add_circle:", "updated": ":material/edit:", "deleted": ":material/delete:"}
PAGE_SIZE: Final = 20
RESTORE: Final = "restore"


class Client(Configurations, Histories, Protocol):
    """What the history needs."""


def draw(client: Client, row_id: int, now: Draft | None, why_not: str | None) -> None:
    """Draw the versions, newest first; `now` is what the row says, None if it is gone.

    `why_not` is why the person may not have it say any of that again, None if they may.
    """
    cursors: list[str] = st.session_state.setdefault(f"past:{row_id}", [])
    with answered("history"):
        page = client.history(row_id, cursors[-1] if cursors else None, PAGE_SIZE)
        for version in page.items:
            _version(row_id, version, now, why_not)
        if cursors or page.next_cursor:
            pager.by_age(cursors, page.next_cursor)


def _version(row_id: int, version: Version, now: Draft | None, why_not: str | None) -> None:
    key = f"{row_id}:{version.generation}:{version.change}"
    said = f"{ICONS[version.change]} **{formatting.plain(version.changed_by)}** {version_diff.changed(version)}"
    difference = version_diff.lines(_values(version.before), _values(version.after))
    says_so = version_diff.restorable(version, now) is None
    if entry(key, said, version.generation, version.changed_at, difference, why_not, says_so=says_so):
        ask_to_restore(version)


def entry(
    key: str,
    said: str,
    generation: int,
    changed_at: datetime,
    difference: str,
    why_not: str | None,
    *,
    says_so: bool,
    restorable: bool = True,
) -> bool:
    """Draw one version, and tell whether it is to be restored; `says_so` is of what the row says now already."""
    wanted = False
    with st.container(border=True, gap="small", key=f"version-{key.replace(':', '-')}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(said, width="stretch")
            if says_so:
                st.badge("what it says now", color="green")
            elif restorable:
                which = f"Restore generation {generation}"
                icon = ":material/history:"
                wanted = offers.button("Restore", why_not, tooltip=which, key=f"restore:{key}", icon=icon)
        when = formatting.ago(changed_at, datetime.now(UTC))
        st.caption(f"Generation {generation}, {when} ({changed_at:%Y-%m-%d %H:%M:%S} UTC)")
        st.code(difference, language="diff")
    return wanted


def ask_to_restore(version: object) -> None:
    """Open the dialog about `version`, with the next run."""
    st.session_state[forms.DIALOG] = RESTORE
    st.session_state[RESTORE] = version
    st.rerun()


def _values(draft: Draft | None) -> Mapping[str, str] | None:
    return None if draft is None else vars(draft)


def restore(client: Client, row_id: int, row: AppConfig | None) -> None:
    """Show the dialog that asks before the row says again what it said; a row that is gone is created again."""
    version: Version | None = st.session_state.get(RESTORE)
    wanted = version_diff.restorable(version, row.draft if row else None) if version else None
    if version is None or wanted is None:
        forms.close()
        return
    title = f"Restore generation {version.generation}" if row else "Create it again"
    st.dialog(title, on_dismiss=forms.close)(_restore)(client, row, wanted)


def _restore(client: Client, row: AppConfig | None, wanted: Draft) -> None:
    st.markdown("This is saved, as a new generation:" if row else "This is created, as a new row:")
    st.code(version_diff.lines(_values(row.draft) if row else None, vars(wanted)), language="diff")
    why = comments.field(APP_CONFIGS, "restore")
    if not clicks.button("Restore it" if row else "Create it", type="primary", width="stretch", key="restore:agreed"):
        return
    with answered("restore", forms.NOT_DONE), commented(why):
        saved = client.update(row.id, wanted, row.generation) if row else client.create(wanted)
        forms.close()
        st.session_state.pop("conflict", None)
        st.session_state["base"] = saved
        st.query_params["id"] = str(saved.id)
        st.toast(f"Generation {saved.generation} is saved.", icon=":material/check:")
        st.rerun()
