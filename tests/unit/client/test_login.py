"""Logging in by a device, and which token goes where."""

from __future__ import annotations

import base64
import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from client_contract import Run
from client_runs import against
from rowcast.check import oidc
from unit.check.fake_crud import serving
from unit.client.fake_api import FakeApi


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.signature"


class FakeIssuer:
    """An issuer's three endpoints; `answers` are what its token endpoint says, one a request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""
        self.answers: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.without: set[str] = set()

    def answer(self, method: str, path: str, _query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/.well-known/openid-configuration":
            ends = {"device_authorization_endpoint": "/device", "token_endpoint": "/token"}
            return 200, {name: self.url + end for name, end in ends.items() if name not in self.without}
        self.asked.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
        if path == "/device":
            begun = {"device_code": "d", "user_code": "ABCD", "verification_uri": f"{self.url}/go", "expires_in": 60}
            return 200, begun | {"interval": 5}
        answer = self.answers.pop(0)
        return (400 if "error" in answer else 200), answer


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    fake = FakeIssuer()
    with serving(fake) as port:
        fake.url = f"http://127.0.0.1:{port}"
        yield fake


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    # The default is bound where the function is made.
    monkeypatch.setattr(oidc.Issuer.log_in, "__defaults__", (found.append,))
    return found


@pytest.fixture
def alone(tmp_path: Path) -> Run:
    """Without an URL in the environment."""
    return against(None, tmp_path / "config")


def tokens(name: str, **more: Any) -> dict[str, Any]:
    return {"access_token": f"access-{name}", "id_token": jwt(sub=name, email=f"{name}@example.com"), **more}


def log_in(run: Run, issuer: FakeIssuer, url: str) -> Any:
    return run("login", "--server", url, "--issuer", issuer.url, "--client-id", "rowcast-cli")


def sent(api: FakeApi) -> str | None:
    return api.requests[-1][2].get("authorization")


def test_a_login_waits_for_the_browser_and_all_commands_use_it_from_then_on(
    alone: Run, api: FakeApi, url: str, issuer: FakeIssuer, pauses: list[float], tmp_path: Path
) -> None:
    issuer.answers = [{"error": "authorization_pending"}, {"error": "slow_down"}, tokens("ada", expires_in=3600)]

    ran = log_in(alone, issuer, url)

    assert (ran.code, ran.lines) == (0, [f"logged in to {url} as ada@example.com"]), ran
    assert f"Open {issuer.url}/go\nand confirm the code ABCD" in ran.stderr
    assert pauses == [5, 5, 10]
    assert issuer.asked[0]["client_id"] == issuer.asked[1]["client_id"] == "rowcast-cli"
    kept = tmp_path / "config" / "rowcast" / "logins.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert alone("get").code == 0
    assert sent(api) == f"Bearer {tokens('ada')['id_token']}"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"error": "access_denied", "error_description": "ada said no"}, "refuses the login: ada said no"),
        ({"error": "expired_token"}, "nobody has confirmed the login in time"),
    ],
)
@pytest.mark.usefixtures("pauses")
def test_a_login_that_is_refused_says_why(
    alone: Run, url: str, issuer: FakeIssuer, answer: dict[str, Any], said: str
) -> None:
    issuer.answers = [answer]

    ran = log_in(alone, issuer, url)

    assert (ran.code, said in ran.stderr) == (1, True), ran
    assert alone("logout").lines == ["there was no login"]


def test_an_issuer_without_the_device_flow_is_told_of_with_another_way(
    alone: Run, url: str, issuer: FakeIssuer
) -> None:
    issuer.without = {"device_authorization_endpoint"}

    ran = log_in(alone, issuer, url)

    assert (ran.code, "Set ROWCAST_TOKEN" in ran.stderr) == (1, True)


@pytest.mark.usefixtures("pauses")
def test_a_token_is_refreshed_before_it_ends_once(alone: Run, api: FakeApi, url: str, issuer: FakeIssuer) -> None:
    issuer.answers = [tokens("ada", expires_in=30, refresh_token="r1"), tokens("bea", expires_in=900)]
    assert log_in(alone, issuer, url).code == 0

    assert [alone("get").code for _ in range(2)] == [0, 0]

    assert sent(api) == f"Bearer {tokens('bea')['id_token']}"
    assert issuer.asked[-1] == {"grant_type": "refresh_token", "refresh_token": "r1", "client_id": "rowcast-cli"}
    assert issuer.answers == []


@pytest.mark.usefixtures("pauses")
def test_a_login_that_has_ended_says_what_to_do(alone: Run, url: str, issuer: FakeIssuer) -> None:
    issuer.answers = [tokens("ada", expires_in=30, refresh_token="r1"), {"error": "invalid_grant"}]
    assert log_in(alone, issuer, url).code == 0

    ran = alone("get")

    assert (ran.code, ran.stderr) == (1, "rowcast: the login has ended (invalid_grant): run `rowcast login`\n")


@pytest.mark.usefixtures("pauses")
def test_a_token_goes_to_its_server_only_and_to_none_after_a_logout(
    alone: Run, api: FakeApi, url: str, issuer: FakeIssuer
) -> None:
    issuer.answers = [tokens("ada")]
    assert log_in(alone, issuer, url).code == 0
    other = FakeApi()
    with serving(other) as port:
        assert alone("get", ROWCAST_CRUD_URL=f"http://127.0.0.1:{port}").code == 0
        assert sent(other) is None

    assert alone("logout").lines == [f"logged out of {url}"]
    assert alone("get", ROWCAST_CRUD_URL=url).code == 0
    assert sent(api) is None


def test_a_token_of_the_environment_counts_before_all_others_and_a_file_is_read_anew(
    run: Run, api: FakeApi, tmp_path: Path
) -> None:
    file, pod = tmp_path / "token", tmp_path / "pod"
    pod.write_text("of-the-pod\n")
    run("get", ROWCAST_POD_TOKEN=str(pod))
    assert sent(api) == "Bearer of-the-pod"
    for text in ("first\n", "second\n"):
        file.write_text(text)
        run("get", ROWCAST_TOKEN_FILE=str(file), ROWCAST_POD_TOKEN=str(pod))
        assert sent(api) == f"Bearer {text.strip()}"
    run("get", ROWCAST_TOKEN="mine", ROWCAST_TOKEN_FILE=str(file))
    assert sent(api) == "Bearer mine"
    missing = run("get", ROWCAST_TOKEN_FILE=str(tmp_path / "none"))
    assert (missing.code, "ROWCAST_TOKEN_FILE" in missing.stderr) == (1, True)


def test_no_token_goes_in_the_clear(alone: Run) -> None:
    ran = alone("get", ROWCAST_CRUD_URL="http://rowcast.example.com", ROWCAST_TOKEN="mine")

    assert (ran.code, ran.stderr) == (
        1,
        "rowcast: a token would go to http://rowcast.example.com in the clear: use https\n",
    )


def test_whoami_says_whose_token_is_sent_and_whether_crud_takes_it(run: Run, api: FakeApi) -> None:
    api.token = jwt(sub="ada", iss="https://issuer.example", exp=time.time() + 60, groups=["shop", "ops"])

    taken = run("whoami", ROWCAST_TOKEN=api.token)
    refused = run("whoami", ROWCAST_TOKEN=jwt(sub="eve"))
    nobody = run("whoami")

    assert {"token: ROWCAST_TOKEN", "subject: ada", "groups: shop, ops"} <= {*taken.lines}
    assert (taken.code, taken.stderr) == (0, "crud takes you for ada\n")
    assert (refused.code, "subject: eve" in refused.lines) == (1, True)
    assert "401: the token has expired: run `rowcast login`, or set ROWCAST_TOKEN" in refused.stderr
    assert (nobody.code, "token: none" in nobody.lines) == (1, True)
