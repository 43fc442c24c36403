"""A login that should be there and can't be read lets nobody in."""

from __future__ import annotations

import asyncio
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from hypothesis import given, strategies
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp
from streamlit import config
from streamlit.runtime.secrets import Secrets

import serve
from login import configured, providers
from login.configured import ConfiguredLogin
from login.providers import judge

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AUTH = """
redirect_uri = "https://rowcast.example.com/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
"""
PROVIDER = """
client_id = "rowcast"
client_secret = "secret"
server_metadata_url = "https://login.example.com/.well-known/openid-configuration"
"""
GOOD = f"[auth]\n{AUTH}{PROVIDER}"
SEVERAL = (
    f"[auth]\n{AUTH}[auth.okta]\n{PROVIDER}[auth.other]\n{PROVIDER.replace('login.example.com', 'anybody.example.net')}"
)
BROKEN = {
    "a quote is missing": GOOD.replace('"rowcast"', '"rowcast'),
    "the section is misspelt": GOOD.replace("[auth]", "[oauth]"),
    "the section's case is wrong": GOOD.replace("[auth]", "[Auth]"),
    "the section is a text": 'auth = "x"',
    "the section is a list": "[[auth]]\n" + AUTH,
    "it is empty": "",
    "it is a comment": "# to do",
    "the section is empty": "[auth]",
    "no secret signs the cookies": GOOD.replace("cookie_secret", "cookie"),
    "the secret is empty": GOOD.replace("0123456789abcdef0123456789abcdef", ""),
    "the secret is short": GOOD.replace("0123456789abcdef0123456789abcdef", "secret"),
    "the secret is a number": GOOD.replace('"0123456789abcdef0123456789abcdef"', "17"),
    "there is no way back": GOOD.replace("redirect_uri", "redirect"),
    "there is no client": GOOD.replace("client_id", "client"),
    "the client is empty": GOOD.replace('"rowcast"', '" "'),
    "there is no client's secret": GOOD.replace("client_secret", "secret"),
    "no provider is named": GOOD.replace("server_metadata_url", "url"),
    "one of several has no client": SEVERAL.replace("client_id", "client", 1),
    "one of several has no issuer": SEVERAL.replace(providers.WELL_KNOWN, "/metadata", 1),
    "a provider's name has an underscore": SEVERAL.replace("[auth.okta]", "[auth.my_okta]"),
}
DEEP: Any = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=40),
    lambda inner: (
        strategies.lists(inner, max_size=2)
        | strategies.dictionaries(
            strategies.sampled_from(["auth", *providers.SHARED_KEYS, *providers.PROVIDER_KEYS, "a"]), inner
        )
    ),
    max_leaves=10,
)


def get(app: ASGIApp, path: str, host: str = "localhost:8501") -> httpx.Response:
    """What the application answers; it is not started, only asked."""

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8501") as client:
            return await client.get(path, headers={"host": host})

    return asyncio.run(ask())


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one place where Streamlit looks for secrets; nothing is there yet."""
    place = tmp_path / "folder" / "secrets.toml"
    place.parent.mkdir()
    real = config.get_option
    monkeypatch.setattr(config, "get_option", lambda key: [str(place)] if key == configured.FILES else real(key))
    monkeypatch.setattr(config, "is_manually_set", lambda key: False)
    monkeypatch.setattr(st, "secrets", Secrets())
    monkeypatch.setattr(Secrets, "_maybe_install_file_watchers", lambda self: None)
    monkeypatch.delenv(providers.SETTING, raising=False)
    return place


def test_nobody_expects_a_login_where_there_is_no_file_and_no_setting(secrets: Path) -> None:
    assert ConfiguredLogin().state() == providers.Login()


def test_a_login_that_is_configured_is_open(secrets: Path) -> None:
    secrets.write_text(GOOD)
    state = ConfiguredLogin().state()
    assert (state.expected, state.complaint, list(state.providers)) == (True, None, ["default"])


@pytest.mark.parametrize("case", BROKEN)
def test_nobody_gets_in_where(case: str, secrets: Path) -> None:
    secrets.write_text(BROKEN[case])
    state = ConfiguredLogin().state()
    assert state.expected
    assert state.complaint


@pytest.mark.parametrize("content", [b"\xff\xfe[auth]", b"[auth]\nx = '\x00'"])
def test_nobody_gets_in_where_the_file_is_no_text(content: bytes, secrets: Path) -> None:
    secrets.write_bytes(content)
    assert ConfiguredLogin().state().complaint


def test_nobody_gets_in_where_the_file_is_a_folder(secrets: Path) -> None:
    secrets.mkdir()
    assert ConfiguredLogin().state().complaint


def test_nobody_gets_in_where_the_file_is_a_link_that_leads_nowhere(secrets: Path) -> None:
    secrets.symlink_to("gone")
    assert ConfiguredLogin().state().complaint


def test_nobody_gets_in_where_reading_the_file_is_forbidden(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody knows whether a file is in a folder that may not be looked into.
    def forbidden(self: Secrets) -> dict[str, Any]:
        # Root, as whom tests may run, reads everything.
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Secrets, "to_dict", forbidden)
    assert "Permission denied" in (ConfiguredLogin().state().complaint or "")


def test_nobody_gets_in_where_a_setting_names_a_file_that_is_not_there(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "is_manually_set", lambda key: key == configured.FILES)
    assert ConfiguredLogin().state().complaint


def test_a_file_that_vanishes_opens_nothing(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.write_text(GOOD)
    configured = ConfiguredLogin()
    assert configured.state().complaint is None
    secrets.unlink()
    monkeypatch.setattr(st, "secrets", Secrets())
    assert configured.state().complaint


def test_a_login_that_is_required_must_be_there(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(providers.SETTING, "required")
    assert ConfiguredLogin().state().complaint
    secrets.write_text(GOOD)
    assert ConfiguredLogin().state().complaint is None


def test_secrets_without_a_login_are_said_to_be_so(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.write_text("[connections]")
    assert "ROWCAST_LOGIN=none" in (ConfiguredLogin().state().complaint or "")
    monkeypatch.setenv(providers.SETTING, "none")
    assert ConfiguredLogin().state() == providers.Login()


@pytest.mark.parametrize("word", ["yes", "true", "reqired"])
def test_a_setting_that_cannot_be_read_lets_nobody_in(word: str) -> None:
    assert judge(word, tomllib.loads(GOOD), None, there=True).complaint


def test_no_login_and_a_login_is_a_contradiction() -> None:
    assert judge("none", tomllib.loads(GOOD), None, there=True).complaint
    assert judge("none", {"auth": None}, None, there=True) == providers.Login()


@given(DEEP)
def test_no_content_of_the_secrets_is_an_error(content: Any) -> None:
    state = judge("required", content if isinstance(content, dict) else None, None, there=True)
    assert state.expected


def test_a_login_by_a_provider_that_is_gone_does_not_count() -> None:
    state = judge("", tomllib.loads(SEVERAL), None, there=True)
    good = {"provider": "okta", "iss": "https://login.example.com", "iat": NOW.timestamp()}
    assert state.objection(good, NOW) is None
    assert state.objection({**good, "provider": "google"}, NOW)
    assert state.objection({**good, "provider": ["okta"]}, NOW)
    assert state.objection({"iss": "https://login.example.com"}, NOW)


@pytest.mark.parametrize("issuer", ["https://anybody.example.net", None, 7, "", "https://login.example.com.evil"])
def test_of_several_providers_each_speaks_for_its_own_issuer(issuer: Any) -> None:
    state = judge("", tomllib.loads(SEVERAL), None, there=True)
    assert state.objection({"provider": "okta", "iss": issuer}, NOW)


def test_the_only_providers_issuer_counts_where_it_is_named() -> None:
    made = {"iat": NOW.timestamp()}
    named = judge("", tomllib.loads(f'{GOOD}issuer = "https://sso.example.com/"'), None, there=True)
    assert named.objection({"iss": "https://sso.example.com", **made}, NOW) is None
    assert named.objection({"iss": "https://login.example.com"}, NOW)
    assert (
        judge("", tomllib.loads(GOOD), None, there=True).objection({"iss": "https://any.example", **made}, NOW) is None
    )


@pytest.mark.parametrize(
    ("hours", "age", "counts"), [("", 23, True), ("", 25, False), ("0", 700, True), ("1", 2, False)]
)
def test_a_login_counts_for_as_long_as_is_said(hours: str, age: int, counts: bool) -> None:
    state = judge("", tomllib.loads(GOOD), None, there=True, hours=hours)
    why = state.objection({"iat": NOW.timestamp() - age * 3600}, NOW)
    assert (why is None) is counts
    assert counts or "ROWCAST_LOGIN_HOURS" in str(why)


@pytest.mark.parametrize("made", [None, "yesterday", True])
def test_a_login_that_does_not_say_when_it_was_made_does_not_count(made: Any) -> None:
    assert judge("", tomllib.loads(GOOD), None, there=True).objection({"iat": made}, NOW)


@pytest.mark.parametrize("hours", ["a day", "-1", "nan", "inf"])
def test_a_number_of_hours_that_is_none_lets_nobody_in(hours: str) -> None:
    assert "ROWCAST_LOGIN_HOURS" in str(judge("", tomllib.loads(GOOD), None, there=True, hours=hours).complaint)


def test_while_nobody_gets_in_only_the_probes_are_answered(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.write_text(BROKEN["a quote is missing"])
    monkeypatch.setattr(serve, "LOGIN", ConfiguredLogin())
    assert get(serve.app, "/livez").status_code == 200
    ready = get(serve.app, "/readyz")
    assert ready.status_code == 503
    assert "secrets.toml" in ready.json()["failures"]["login"]
    for path in ("/", "/activity", "/_stcore/health", "/_stcore/host-config", "/oauth2callback", "/livez/x"):
        answer = get(serve.app, path)
        assert answer.status_code == 503
        assert "Nobody can log in" in answer.text


def test_the_pod_is_ready_once_the_login_is_mended(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.write_text("")
    monkeypatch.setattr(serve, "LOGIN", ConfiguredLogin())
    assert get(serve.app, "/readyz").status_code == 503
    secrets.write_text(GOOD)
    monkeypatch.setattr(st, "secrets", Secrets())
    assert get(serve.app, "/readyz").status_code == 200


def test_on_the_loopback_only_its_own_names_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"server.allowedHosts": [], "server.address": "127.0.0.1"}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    monkeypatch.setattr(st, "get_option", options.__getitem__)
    assert serve.hosts() == ["localhost", "127.0.0.1", "::1", "[::1]"]
    options["server.address"] = "0.0.0.0"
    assert serve.hosts() == ["*"]
    options["server.allowedHosts"] = ["rowcast.example.com"]
    assert serve.hosts() == ["rowcast.example.com"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", ""])
def test_a_name_that_is_made_to_lead_to_the_loopback_is_refused(host: str) -> None:
    guarded = TrustedHostMiddleware(PlainTextResponse("in"), [*serve.LOCAL_NAMES], www_redirect=False)
    assert get(guarded, "/", host).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501"])
def test_the_loopbacks_own_names_are_answered(host: str) -> None:
    guarded = TrustedHostMiddleware(PlainTextResponse("in"), [*serve.LOCAL_NAMES], www_redirect=False)
    assert get(guarded, "/", host).text == "in"
