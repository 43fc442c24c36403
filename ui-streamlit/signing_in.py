"""The corner where one sees who one is: a login where one is configured, a name to type where none is."""

from __future__ import annotations

from typing import Final

import streamlit as st
from streamlit.errors import StreamlitAPIException, StreamlitSecretNotFoundError

import brand
import identity
import rules
import view_model
from identity import Roles, Who

SHARED: Final = ("redirect_uri", "cookie_secret", "expose_tokens", "client_kwargs")


def who(default: str, roles: Roles) -> Who | None:
    """Draw the corner and return the person; None where they have to log in first."""
    if not _configured():
        return _typed(default, roles)
    if not st.user.get("is_logged_in"):
        return None
    found = identity.signed_in(st.user.to_dict(), roles)
    with st.container(gap="small", key="who"):
        st.markdown(f":material/account_circle: {view_model.plain(found.name)}")
        _role(found)
        st.button("Log out", icon=":material/logout:", type="tertiary", on_click=st.logout)
    return found


def ask_to_log_in() -> None:
    """Draw the page of those who have not logged in."""
    _, middle, _ = st.columns([1, 2, 1])
    with middle.container(border=True, horizontal_alignment="center", gap="medium"):
        st.html(brand.BRAND, width="content")
        st.markdown("Log in to see the configurations and what became of them.", width="content")
        for provider in _providers():
            label = f"Log in with {provider.title()}" if provider else "Log in"
            if st.button(label, type="primary", icon=":material/login:", key=f"login:{provider}"):
                try:
                    st.login(provider)
                except StreamlitAPIException as error:
                    st.error(f"The login is not configured as it must be: {error}")


def _configured() -> bool:
    try:
        return "auth" in st.secrets
    except (StreamlitSecretNotFoundError, FileNotFoundError):
        return False


def _providers() -> list[str | None]:
    """Return the providers that have a section of their own; None is the one that has not."""
    named: list[str | None] = [
        name for name, value in st.secrets["auth"].items() if hasattr(value, "items") and name not in SHARED
    ]
    return named or [None]


def _typed(default: str, roles: Roles) -> Who:
    name = (
        st.text_input(
            "You are", default, key="person", help="Named in the history and as author.", persist_state="session"
        )
        or ""
    )
    found = identity.typed(name, roles)
    if name.strip() and not rules.is_person(name.strip()):
        st.caption(f":red[Printable characters only, at most 200. Until then you are {identity.ANONYMOUS}.]")
    _role(found)
    return found


def _role(found: Who) -> None:
    if not found.can_edit:
        st.badge("Read only", icon=":material/visibility:", color="gray", help=identity.MEANING["viewer"])
