"""The frame around the rooms: who one is, the way to each room, and what waits there."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import app
from app import Client
from login.configured import ConfiguredLogin
from login.identity import Roles, Who
from login.providers import Login
from unit.ui.driver import offered
from unit.ui.fakes.client import FakeClient, FakeTable
from unit.ui.fakes.operations import with_station

SECONDS = 60
AUTH = {
    "redirect_uri": "http://127.0.0.1:1/oauth2callback",
    "cookie_secret": "s" * 40,
    "client_id": "rowcast",
    "client_secret": "secret",
    "server_metadata_url": "http://127.0.0.1:1/.well-known/openid-configuration",
}
USER = {"is_logged_in": True, "iat": time.time()}


def _script() -> None:
    import streamlit as st

    import app

    app.page(st.session_state["connect"], "maria", st.session_state["room"], st.session_state["roles"])


def opened(
    table: FakeTable,
    room: str = "Settings",
    *,
    auth: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    roles: Roles | None = None,
) -> AppTest:
    connect: Callable[[Callable[[], Who]], Client] = lambda who: FakeClient(table, who)  # noqa: E731
    at = AppTest.from_function(_script, default_timeout=SECONDS)
    if auth is not None:
        at.secrets["auth"] = auth
    at.user = dict(user or {})
    for key, value in (("connect", connect), ("room", room), ("roles", roles)):
        at.session_state[key] = value
    at.run()
    assert not at.exception
    return at


def links(at: AppTest) -> list[str]:
    return [link.proto.label for link in at.get("page_link")]


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def test_there_is_a_way_to_every_room() -> None:
    assert links(opened(FakeTable())) == [
        "Configurations",
        "Rows",
        "Renderers",
        "Promotion",
        "Proposals",
        "Activity",
        "Pipeline",
        "Dead letters",
        "Reconcile",
        "Settings",
    ]


@pytest.mark.parametrize(("count", "shown"), [(3, "3"), (1200, "99+")])
def test_open_dead_letters_are_counted_beside_their_room(count: int, shown: str) -> None:
    table = FakeTable()
    table.operations.pipeline = with_station(table.operations.pipeline, "dead-letters", facts={"open": count})
    assert f"Dead letters :red-badge[{shown}]" in links(opened(table))


def test_a_way_that_is_interrupted_is_said_in_every_room() -> None:
    table = FakeTable()
    table.operations.pipeline = with_station(table.operations.pipeline, "slot", state="down")
    assert "Pipeline :red-badge[down]" in links(opened(table))


def test_a_service_that_is_down_takes_no_room_away() -> None:
    table = FakeTable(down="The crud service is not available.")
    assert len(links(opened(table))) == 10


def test_where_a_login_is_configured_nobody_sees_anything_before_it() -> None:
    at = opened(FakeTable(), "Configurations", auth=AUTH)
    assert labels(at) == ["Log in"]
    assert links(at) == []
    assert not at.text_input


def test_each_provider_has_a_way_to_log_in() -> None:
    shared = {name: AUTH[name] for name in ("redirect_uri", "cookie_secret")}
    own = {name: AUTH[name] for name in ("client_id", "client_secret", "server_metadata_url")}
    at = opened(FakeTable(), auth={**shared, "okta": own, "google": own})
    assert labels(at) == ["Log in with Okta", "Log in with Google"]
    assert not at.error


def test_a_login_that_is_not_configured_as_it_must_be_says_so_and_lets_nobody_in() -> None:
    user = {"is_logged_in": True, "iss": "https://login.example.com", "sub": "1"}
    for auth in ({}, {**AUTH, "cookie_secret": "short"}):
        at = opened(FakeTable(), "Configurations", auth=auth, user=user)
        assert (labels(at), links(at)) == ([], [])
        assert ["Nobody can log in" in error.value for error in at.error] == [True]


def test_who_is_in_already_is_out_when_the_login_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(FakeTable(), "Configurations")
    assert links(at)
    monkeypatch.setattr(ConfiguredLogin, "state", lambda self: Login(True, complaint="A quote is missing."))
    at.run()
    assert (labels(at), links(at)) == ([], [])
    assert ["A quote is missing" in error.value for error in at.error] == [True]


def test_a_login_by_another_issuer_has_to_be_made_anew() -> None:
    user = {"is_logged_in": True, "iss": "https://anybody.example.net", "sub": "1"}
    at = opened(FakeTable(), "Configurations", auth={**AUTH, "issuer": "https://login.example.com"}, user=user)
    assert labels(at) == ["Log in"]
    assert ["anybody" in warning.value for warning in at.warning] == [True]


@pytest.mark.parametrize("said", ["true", 1, None, {}])
def test_only_true_is_logged_in(said: object) -> None:
    at = opened(FakeTable(), "Configurations", auth=AUTH, user={"is_logged_in": said, "sub": "1"})
    assert labels(at) == ["Log in"]


@pytest.mark.parametrize(("verified", "vouched"), [(True, True), (False, False)])
def test_only_for_whom_a_login_vouches_it_is_said_to_crud(verified: bool, vouched: bool) -> None:
    table = FakeTable()
    opened(table, auth=AUTH, user={**USER, "email": "ada@example.com", "email_verified": verified})
    assert table.operations.vouched is vouched


def test_a_typed_name_is_never_vouched_for() -> None:
    table = FakeTable()
    opened(table)
    assert not table.operations.vouched


def _keeping() -> None:
    import streamlit as st

    import app
    from configurations.models import Draft

    app.page(st.session_state["connect"], "maria", "Settings", st.session_state["roles"])
    if st.button("Create with the first run's client"):
        st.session_state["clients"][0].create(Draft("delta", "https://git.example/delta.git", "main", "prod"))


def keeping(table: FakeTable, roles: Roles) -> AppTest:
    """A page that keeps the client of its first run, as each fragment and dialog does until it is drawn anew."""
    clients: list[Client] = []

    def connect(who: Callable[[], Who]) -> Client:
        clients.append(FakeClient(table, who))
        return clients[-1]

    at = AppTest.from_function(_keeping, default_timeout=SECONDS)
    for key, value in (("connect", connect), ("roles", roles), ("clients", clients)):
        at.session_state[key] = value
    return at.run()


def test_what_a_dialog_sends_is_of_whoever_it_is_then_and_not_when_it_was_drawn() -> None:
    table = FakeTable()
    at = keeping(table, Roles())
    at.text_input(key="person").set_value("petra")
    at.run()
    next(button for button in at.button if button.label.startswith("Create with")).click()
    at.run()
    assert not at.exception
    assert [row.updated_by for row in table.rows.values()] == ["petra"]


def test_whoever_logged_in_is_named_as_the_login_says_and_can_log_out() -> None:
    user = {**USER, "email": "ada@example.com", "email_verified": True, "name": "Ada Lovelace"}
    at = opened(FakeTable(), auth=AUTH, user=user)
    said = " ".join(one.value for one in (*at.markdown, *at.caption))
    assert "Ada Lovelace" in said
    assert "Your login says so." in said
    assert "Log out" in labels(at)
    assert not at.text_input


def test_a_group_of_the_login_decides_what_is_offered() -> None:
    roles = Roles(default="viewer", editors=frozenset({"group:platform"}))
    user = {**USER, "email": "ada@example.com", "groups": ["platform"]}
    assert "Dry run" in offered(opened(FakeTable(), "Reconcile", auth=AUTH, user=user, roles=roles))
    user = {**user, "groups": ["sales"]}
    assert "Dry run" not in offered(opened(FakeTable(), "Reconcile", auth=AUTH, user=user, roles=roles))


def test_a_setting_that_cannot_be_read_is_said_where_one_looks_for_it() -> None:
    at = opened(FakeTable(), roles=Roles(complaint="ROWCAST_ROLE is 'admin'"))
    assert ["ROWCAST" in error.value for error in at.error] == [True]


def test_what_nobody_caught_is_for_the_log_and_not_for_the_page() -> None:
    settings = tomllib.loads((Path(app.__file__).parent / ".streamlit" / "config.toml").read_text())
    assert settings["client"]["showErrorDetails"] == "none"
    assert settings["client"]["showErrorLinks"] is False
