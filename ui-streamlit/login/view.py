"""The corner where one sees who one is: a login where one is expected, a name to type where none is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st
from streamlit.errors import StreamlitAPIException

from access.rights import Rights
from configurations import rules
from login import drafts, identity
from login.identity import Roles, Who
from login.providers import DEFAULT, Login
from shared import brand, clicks, formatting

PERSON: Final = "person"
"""The key of the field in which somebody types their name."""


def now(default: str, roles: Roles, login: Login) -> Who | None:
    """Return the person as of this moment, and draw nothing; None where they have to log in first, or nobody can."""
    if not login.expected:
        return identity.typed(st.session_state.get(PERSON, default) or "", roles)
    if login.complaint or not _logged_in() or login.objection(st.user.to_dict(), datetime.now(UTC)):
        return None
    return identity.signed_in(st.user.to_dict(), roles, several=login.several)


def who(default: str, roles: Roles, login: Login) -> Who | None:
    """Draw the corner and return what `now` does."""
    if not login.expected:
        return _typed(default, roles)
    person = now(default, roles, login)
    if person is None:
        return None
    with st.container(gap="small", key="who"):
        st.markdown(f":material/account_circle: {formatting.plain(person.name)}")
        st.button("Log out", icon=":material/logout:", type="tertiary", on_click=st.logout)
    return person


def ask_to_log_in(login: Login, trouble: str = "", *, kept: bool = False) -> None:
    """Draw the page of those who have not logged in, or say why nobody can.

    `trouble` says why a login that counts is of no use, `kept` whether what was typed before is kept.
    """
    _, middle, _ = st.columns([1, 2, 1])
    with middle.container(border=True, horizontal_alignment="center", gap="medium"):
        st.html(brand.BRAND, width="content")
        if login.complaint:
            st.error(f"Nobody can log in. {formatting.plain(login.complaint)}", icon=":material/lock:")
        else:
            st.markdown("Log in to see the configurations and what became of them.", width="content")
        objection = login.objection(st.user.to_dict(), datetime.now(UTC)) if _logged_in() else None
        for why in filter(None, (objection, trouble)):
            st.warning(formatting.plain(f"{why} Log in again."))
        if kept:
            st.info("What you typed is kept: it is offered to you again after you have logged in.")
        # With a complaint the way to each provider stays, for what Streamlit says of it; nobody gets in by it.
        for provider in () if login.complaint and DEFAULT in login.providers else login.providers:
            label = "Log in" if provider == DEFAULT else f"Log in with {provider.title()}"
            if clicks.button(label, type="primary", icon=":material/login:", key=f"login:{provider}"):
                try:
                    st.login(provider)
                except StreamlitAPIException as error:
                    st.error(f"The login is not configured as it must be: {error}")


def _logged_in() -> bool:
    # True and nothing that only looks like it.
    return st.user.get("is_logged_in") is True


def _typed(default: str, roles: Roles) -> Who:
    name = (
        st.text_input(
            "You are", default, key=PERSON, help="Named in the history and as author.", persist_state="session"
        )
        or ""
    )
    person = identity.typed(name, roles)
    if name.strip() and not rules.is_person(name.strip()):
        st.caption(f":red[Printable characters only, at most 200. Until until you are {identity.ANONYMOUS}.]")
    return person


def standing(person: Who, rights: Rights) -> None:
    """Draw what is worth a word of how crud takes the person, below their name."""
    if not rights.enforced:
        if not person.can_edit:
            st.badge("Read only", icon=":material/visibility:", color="gray", help=identity.MEANING["viewer"])
    elif rights.trouble:
        st.caption(formatting.plain(f"{rights.trouble} The dashboard says who you are instead."))
        st.button("Log in again", icon=":material/login:", type="tertiary", on_click=_again)


def _again() -> None:
    drafts.keep()
    provider = st.user.get("provider")
    st.login(provider if isinstance(provider, str) else DEFAULT)
