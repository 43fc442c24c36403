"""The dashboard: what Streamlit runs. It wires the pages to crud through the sidecar, and holds nothing else."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Protocol

import httpx
import streamlit as st
from streamlit.navigation.page import Page

import navigation
from access.models import SEE_PIPELINE, Accesses
from access.rights import Rights, as_known
from activity import page as activity_page
from activity.models import Activities
from bulk.models import Bulk
from client import api_client, tracing
from client.errors import RefusedError
from configurations import detail_view, list_view, view_model
from configurations.models import APP_CONFIGS, Configurations
from dead_letters import page as dead_letters_page
from dead_letters.models import DeadLetters
from history.models import Histories
from impact.models import Impacts
from login import drafts, identity
from login import view as login_view
from login.configured import LOGIN
from login.identity import Roles, Who
from navigation import (
    ACTIVITY,
    CONFIGURATIONS,
    DEAD_LETTERS,
    PIPELINE,
    PROMOTION,
    PROPOSALS,
    RECONCILE,
    RENDERERS,
    ROWS,
    SETTINGS,
)
from pipeline import page as pipeline_page
from pipeline.models import Pipeline, Pipelines
from pipeline.poller import PipelinePoller
from preview.models import Previews
from promotion import page as promotion_page
from promotion.models import Promotions
from proposals import page as proposals_page
from proposals.models import Proposals
from reconcile import page as reconcile_page
from reconcile.models import Reconciles
from renderers import page as renderers_page
from renderers.models import Renderers
from rollouts.models import Rollouts
from rows import page as rows_page
from rows.models import Rows
from settings import page as settings_page
from shared import brand, clicks

SIDEBAR_PIXELS = 250
# Who asks when nobody does.
WATCHING = "dashboard"


class Client(
    Accesses,
    Configurations,
    Previews,
    Histories,
    Bulk,
    DeadLetters,
    Activities,
    Pipelines,
    Reconciles,
    Renderers,
    Impacts,
    Rollouts,
    Rows,
    Promotions,
    Proposals,
    Protocol,
):
    """All that the pages need."""


def page(
    connect: Callable[[Callable[[], Who]], Client],
    default_person: str = identity.ANONYMOUS,
    opened: str = CONFIGURATIONS,
    roles: Roles | None = None,
    poller: PipelinePoller | None = None,
) -> None:
    """Show the dashboard, for a client that `connect` makes; `opened` is its page without a path.

    The client is given whom to ask for the person at each request: a fragment and a dialog keep the client of the run
    that drew them, and what they send is still of whoever it is then. The first page shows the room that the link
    names. Without a `poller`, the session has one of its own.
    """
    st.set_page_config(
        page_title=brand.NAME,
        page_icon=brand.ICON,
        layout="wide",
        initial_sidebar_state=SIDEBAR_PIXELS,
        menu_items={"About": "Rowcast, Apache-2.0"},
    )
    st.html(brand.STYLE)
    roles = roles or Roles()
    with st.sidebar:
        st.html(brand.BRAND)
        links = st.container(gap="small")
        login = LOGIN.state()
        who = login_view.who(default_person, roles, login)
        corner = st.container(gap="small")
    logged_in = functools.partial(_logged_in, default_person, roles)
    client = connect(functools.partial(_now, logged_in))
    rights = Rights(client, logged_in)
    if who is None or rights.must_log_in:
        navigation.closed(functools.partial(login_view.ask_to_log_in, login, rights.trouble, kept=drafts.keep()))
        return
    with corner:
        login_view.standing(who, rights)
    if poller is None or rights.enforced:
        # What one person may see is not there for all.
        poller = st.session_state.setdefault("poller", PipelinePoller(functools.partial(_pipeline, client, rights)))
    rooms = _rooms(client, who, rights, roles, poller, opened)
    # Streamlit's own menu would stand above the name; and it is drawn before the person is known.
    current = st.navigation(list(rooms.values()), position="hidden")
    drafts.seen(who, current.title)
    with links:
        stale = lambda: logged_in() is None or rights.changed()  # noqa: E731
        navigation.links(rooms, poller, stale, functools.partial(proposals_page.waiting, client, rights))
    drafts.offer(who, rooms)
    before = drafts.begin()
    current.run()
    drafts.end(before)
    clicks.forget()


def _logged_in(default_person: str, roles: Roles) -> Who | None:
    return login_view.now(default_person, roles, LOGIN.state())


def _now(logged_in: Callable[[], Who | None]) -> Who:
    who = logged_in()
    if who is None:
        # Logged out since this was drawn: the whole page says so, and keeps what was typed.
        st.rerun()
    return as_known(who)


def _pipeline(client: Client, rights: Rights) -> Pipeline:
    why = rights.why_not_at_all(SEE_PIPELINE)
    if why is not None:
        raise RefusedError(403, "Forbidden", why)
    return client.pipeline()


def _rooms(
    client: Client, who: Who, rights: Rights, roles: Roles, poller: PipelinePoller, opened: str
) -> dict[str, Page]:
    # Rooms lead to each other: each is given all of them, and looks when it is drawn.
    rooms: dict[str, Page] = {}
    shows: dict[str, Callable[[], None]] = {
        CONFIGURATIONS: functools.partial(_configurations, client, rights),
        ROWS: functools.partial(_rows, client, rooms, rights),
        RENDERERS: functools.partial(renderers_page.show, client, rooms, rights),
        PROMOTION: functools.partial(promotion_page.show, client, rights),
        PROPOSALS: functools.partial(proposals_page.show, client, rights),
        ACTIVITY: lambda: activity_page.show(client, rooms[CONFIGURATIONS], rights),
        PIPELINE: functools.partial(pipeline_page.show, poller),
        DEAD_LETTERS: functools.partial(dead_letters_page.show, client, rights),
        RECONCILE: functools.partial(reconcile_page.show, client, rights),
        SETTINGS: functools.partial(settings_page.show, poller, who, roles, rights),
    }
    rooms.update({title: navigation.room(title, show, opened) for title, show in shows.items()})
    return rooms


def _rows(client: Client, rooms: dict[str, Page], rights: Rights) -> None:
    proposals_page.notice(rights)
    rows_page.show(client, rooms, rights)


def _configurations(client: Client, rights: Rights) -> None:
    proposals_page.notice(rights, APP_CONFIGS)
    row_id = view_model.row_id(st.query_params.get("id"))
    if row_id is None:
        st.session_state.pop("base", None)
        list_view.show(client, rights)
    else:
        detail_view.show(client, row_id, rights)


@st.cache_resource
def _sidecar() -> httpx.Client:
    return api_client.connect(os.environ)


@st.cache_resource
def _saves() -> tracing.Saves:
    return tracing.saves(os.environ)


@st.cache_resource
def _poller() -> PipelinePoller:
    poller = PipelinePoller(api_client.CrudClient(_sidecar(), lambda: Who(WATCHING)).pipeline)
    poller.start()
    return poller


def _connect(who: Callable[[], Who]) -> Client:
    return api_client.CrudClient(_sidecar(), who, _saves())


if __name__ == "__main__":
    page(
        _connect,
        os.environ.get("ROWCAST_USER", identity.ANONYMOUS),
        roles=identity.roles(os.environ, st.get_option("server.address")),
        poller=_poller(),
    )
