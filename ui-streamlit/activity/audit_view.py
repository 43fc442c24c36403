"""The audit: every change and every refusal, who it was, by which way, and why not; for who may see it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from access.models import SEE_AUDIT
from access.rights import Rights
from activity import view
from activity.models import Activities, AuditEntry, AuditQuery
from client.errors import MissingError
from configurations.models import APP_CONFIGS
from shared import filters, formatting
from shared.failures import answered
from shared.pager import by_age

REFRESH_SECONDS: Final = 3.0
PAGE_SIZE: Final = 25
OLDER: Final = "This crud has no audit: it is older than the dashboard."
CURSORS: Final = "audit_cursors"


def draw(client: Activities, rights: Rights) -> None:
    """Draw the filters and the entries, or why the person may not see them."""
    why_not = rights.why_not_at_all(SEE_AUDIT)
    if why_not is not None:
        st.info(formatting.plain(why_not), icon=":material/lock:")
        return
    query = _filters(rights)
    st.fragment(_list, run_every=REFRESH_SECONDS)(client, query)


def _first_page() -> None:
    st.session_state[CURSORS] = []


def _clear() -> None:
    _first_page()
    for key in ("audit_person", "audit_environment", "audit_request"):
        st.session_state[key] = ""
    for key in ("audit_renderer", "audit_outcome"):
        st.session_state[key] = None


def _filters(rights: Rights) -> AuditQuery:
    people, renderers, environments, outcomes, requests = st.columns(5)
    person = filters.search(people, "Person", "audit_person", "Person, in full", _first_page)
    known = rights.mine.renderers if rights.mine else {}
    options = tuple(dict.fromkeys((APP_CONFIGS, *known)))
    renderer = filters.choice(renderers, "Only this renderer", "audit_renderer", options, "All renderers", _first_page)
    environment = filters.search(environments, "Environment", "audit_environment", "Environment", _first_page)
    outcome = filters.choice(
        outcomes, "Only this outcome", "audit_outcome", tuple(view.AUDIT_OUTCOMES), "All outcomes", _first_page
    )
    request = filters.search(requests, "Request", "audit_request", "Request's id", _first_page)
    return AuditQuery(person, renderer or "", environment, outcome or "", request, PAGE_SIZE)


def _list(client: Activities, query: AuditQuery) -> None:
    cursors: list[str] = st.session_state.setdefault(CURSORS, [])
    with answered("audit"):
        try:
            page = client.audit(AuditQuery(**{**vars(query), "cursor": cursors[-1] if cursors else None}))
        except MissingError:
            st.info(OLDER)
            return
        if not page.items:
            filtered = query != AuditQuery(limit=PAGE_SIZE)
            none = "Nothing was changed or refused yet. Every change and every refusal will be here, with who it was."
            with st.container(border=True, horizontal_alignment="center"):
                filters.nothing(cursors, _clear if filtered else None, "Nothing matches." if filtered else none)
            return
        now = datetime.now(UTC)
        for name, entries in view.by_day(page.items, lambda entry: entry.at, now):
            st.caption(name)
            with st.container(border=True, gap="small"):
                for entry in entries:
                    _entry(entry, now)
        if cursors or page.next_cursor:
            by_age(cursors, page.next_cursor)


def _entry(entry: AuditEntry, now: datetime) -> None:
    with st.container(gap="xxsmall", key=f"audit-{entry.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{formatting.plain(entry.person)}** {formatting.plain(entry.act)}", width="content")
            st.markdown(formatting.plain(view.where(entry)), width="stretch")
            st.badge(entry.outcome, color=view.AUDIT_OUTCOMES.get(entry.outcome, "gray"))
            st.caption(formatting.ago(entry.at, now), width=view.WHEN_PIXELS, text_alignment="right")
        if entry.why:
            colour = view.AUDIT_OUTCOMES.get(entry.outcome, "gray")
            st.markdown(f":{colour}[{formatting.plain(entry.why)}]")
        request = f", request {entry.request_id}" if entry.request_id else ""
        st.caption(formatting.plain(f"{view.who(entry)}. {entry.operation}, {entry.path}{request}"))
