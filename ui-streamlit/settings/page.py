"""Who I am and what I may do, what the services are set to, and where to read more."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Final

import streamlit as st

from access.models import Mine
from access.rights import Rights
from login import identity
from login.identity import Roles, Who
from pipeline.poller import PipelinePoller
from settings import view
from shared import formatting, links

DOCS: Final = (
    ("A tour of the dashboard", "docs/tour.md"),
    ("Log in, and who may change what", "docs/how-to/sign-in.md"),
    ("Watch the pipeline", "docs/how-to/watch-the-pipeline.md"),
    ("Reconcile a target", "docs/how-to/reconcile.md"),
    ("Every setting", "docs/reference/settings.md"),
    ("The API", "docs/reference/api.md"),
)
SOURCES: Final = {
    "login": "Your login says so.",
    "typed": "You typed this name at the side; no login is configured, so nothing vouches for it.",
}
THEMES: Final = {"light": "Light", "dark": "Dark"}


def show(poller: PipelinePoller, who: Who, roles: Roles, rights: Rights) -> None:
    """Draw the page."""
    st.title("Settings", anchor=False)
    left, right = st.columns(2, gap="medium")
    with left:
        _person(who, roles, rights)
        _look()
    with right:
        _links()
    _services(poller)


def _person(who: Who, roles: Roles, rights: Rights) -> None:
    mine = rights.mine
    with st.container(border=True):
        st.subheader("You", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{formatting.plain(who.person)}**", width="content")
            if mine is None or not mine.enforced:
                st.badge("Editor" if who.can_edit else "Viewer", color="primary" if who.can_edit else "gray")
        if mine is None or not mine.enforced:
            st.caption(f"{SOURCES[who.source]} {identity.MEANING[who.role]}")
        else:
            _policy(mine, SOURCES[who.source], rights.trouble)
        st.caption("Your name goes into the history, the commit's author and the resource's annotation.")
        if roles.complaint:
            st.error(formatting.plain(roles.complaint))


def _policy(mine: Mine, source: str, trouble: str) -> None:
    st.caption(f"{source} A policy decides what you may do.")
    by = f"by your login's token, of {mine.issuer}" if mine.issuer else "by the dashboard's word"
    st.markdown(formatting.plain(f"crud takes you for {mine.subject}, {by}."))
    if trouble:
        st.caption(formatting.plain(trouble))
    lines = view.allowed(mine)
    if lines:
        names, acts = zip(*lines, strict=True)
        st.dataframe({"Of": names, "You may": acts}, hide_index=True, alt="What you may do")
    else:
        st.caption("The policy allows you nothing.")
    with st.expander("The policy's lines about you", key="policy_lines"):
        st.caption(formatting.plain(f"You go by {', '.join(mine.names)}."))
        st.code("\n".join(mine.rules) or "none", language=None)


def _look() -> None:
    with st.container(border=True):
        st.subheader("Look", anchor=False)
        theme = THEMES.get(str(st.context.theme.type), "Your system's")
        st.markdown(f"Theme: **{theme}**")
        st.caption("It follows your system. To choose: the menu at the top right, Settings, Theme. Keys: N creates.")


def _links() -> None:
    with st.container(border=True):
        st.subheader("Read more", anchor=False)
        st.markdown("\n".join(f"- [{title}]({links.docs(page)})" for title, page in DOCS))
        st.caption(f"Rowcast {version()}")


def _services(poller: PipelinePoller) -> None:
    with st.container(border=True):
        st.subheader("Services", anchor=False)
        seen = poller.seen()
        found = view.services(seen.pipeline) if seen.pipeline else ()
        if not found:
            st.caption(formatting.plain(seen.trouble or "The services have not told yet. Come back in a moment."))
            return
        parts, names, values = zip(*found, strict=True)
        st.dataframe(
            {"Part": parts, "Setting": names, "Value": values},
            hide_index=True,
            alt="What the services are set to",
        )
        st.caption("Settings are made where the services are started, as environment variables.")


def version() -> str:
    """Return the dashboard's version, as its image or its package says it."""
    if stamped := os.environ.get("ROWCAST_VERSION"):
        return stamped
    try:
        return metadata.version("rowcast")
    except metadata.PackageNotFoundError:
        return "from a checkout"
