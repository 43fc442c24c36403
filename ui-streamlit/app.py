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
from activity import page as activity_page
from activity.models import Activities
from bulk.models import Bulk
from client import api_client, tracing
from configurations import detail_view, list_view, view_model
from configurations.models import Configurations
from dead_letters import page as dead_letters_page
from dead_letters.models import DeadLetters
from history.models import Histories
from impact.models import Impacts
from login import identity
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
from pipeline.models import Pipelines
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
from shared import brand

SIDEBAR_PIXELS = 250
# Who asks when nobody does.
WATCHING = "dashboard"


class Client(
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
    if who is None:
        navigation.closed(functools.partial(login_view.ask_to_log_in, login))
        return
    client = connect(functools.partial(_now, default_person, roles))
    poller = poller or st.session_state.setdefault("poller", PipelinePoller(client.pipeline))
    rooms = _rooms(client, who, roles, poller, opened)
    # Streamlit's own menu would stand above the name; and it is drawn before the person is known.
    current = st.navigation(list(rooms.values()), position="hidden")
    with links:
        navigation.links(rooms, poller, functools.partial(proposals_page.waiting, client))
    current.run()


def _now(default_person: str, roles: Roles) -> Who:
    # Whoever has been logged out since the page was drawn changes nothing from it.
    return login_view.now(default_person, roles, LOGIN.state()) or Who(identity.ANONYMOUS, "viewer")


def _rooms(client: Client, who: Who, roles: Roles, poller: PipelinePoller, opened: str) -> dict[str, Page]:
    # Rooms lead to each other: each is given all of them, and looks when it is drawn.
    rooms: dict[str, Page] = {}
    shows: dict[str, Callable[[], None]] = {
        CONFIGURATIONS: functools.partial(_configurations, client, who),
        ROWS: functools.partial(_rows, client, rooms, who),
        RENDERERS: functools.partial(renderers_page.show, client, rooms, can_edit=who.can_edit),
        PROMOTION: functools.partial(promotion_page.show, client, can_edit=who.can_edit),
        PROPOSALS: functools.partial(proposals_page.show, client, who),
        ACTIVITY: lambda: activity_page.show(client, rooms[CONFIGURATIONS]),
        PIPELINE: functools.partial(pipeline_page.show, poller),
        DEAD_LETTERS: functools.partial(dead_letters_page.show, client, can_edit=who.can_edit),
        RECONCILE: functools.partial(reconcile_page.show, client, can_edit=who.can_edit),
        SETTINGS: functools.partial(settings_page.show, poller, who, roles),
    }
    rooms.update({title: navigation.room(title, show, opened) for title, show in shows.items()})
    return rooms


def _rows(client: Client, rooms: dict[str, Page], who: Who) -> None:
    if who.can_edit:
        proposals_page.notice(client)
    rows_page.show(client, rooms, can_edit=who.can_edit)


def _configurations(client: Client, who: Who) -> None:
    if who.can_edit:
        proposals_page.notice(client, "appconfigs")
    row_id = view_model.row_id(st.query_params.get("id"))
    if row_id is None:
        st.session_state.pop("base", None)
        list_view.show(client, can_edit=who.can_edit)
    else:
        detail_view.show(client, row_id, can_edit=who.can_edit)


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
