"""How Connect's answers become the few errors that the rest knows."""

import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from rowcast.connector.cli import app
from rowcast.connector.client import ConnectClient
from rowcast.connector.errors import ConnectNotReadyError, ConnectRefusedError
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.connect_access import ConnectAccess, ConnectAccessError, read_connect_access, without_login

CONFIG = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector"}
Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> ConnectClient:
    return ConnectClient("http://connect", "rowcast", transport=httpx.MockTransport(answer))


def always(status: int, content: object = None) -> Answer:
    return lambda _: httpx.Response(status, json=content)


def validating(errors: dict[str, list[str]], requests: list[httpx.Request]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if request.url.path.endswith("/validate"):
            values = [{"value": {"name": name, "errors": problems}} for name, problems in errors.items()]
            return httpx.Response(200, json={"configs": values})
        return httpx.Response(201, json={})

    return answer


def test_a_connector_that_connect_does_not_know_has_no_settings() -> None:
    assert client(always(404, {"error_code": 404, "message": "Connector rowcast not found"})).config() is None


def test_the_bare_404_of_a_connect_that_is_starting_is_no_absent_connector() -> None:
    with pytest.raises(ConnectNotReadyError):
        client(lambda _: httpx.Response(404)).config()


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_rebalance_and_an_overload_pass_by_themselves(status: int) -> None:
    with pytest.raises(ConnectNotReadyError, match="why"):
        client(always(status, {"message": "why"})).status()


def test_no_connection_passes_by_itself() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ConnectNotReadyError, match="refused"):
        client(refuse).status()


def test_valid_settings_are_put_without_their_name() -> None:
    requests: list[httpx.Request] = []
    client(validating({"database.hostname": []}, requests)).put_config(CONFIG)
    assert [each.url.path for each in requests] == [
        "/connector-plugins/PostgresConnector/config/validate",
        "/connectors/rowcast/config",
    ]
    assert json.loads(requests[-1].content) == CONFIG


def test_a_database_that_does_not_answer_the_validation_passes_by_itself() -> None:
    requests: list[httpx.Request] = []
    with pytest.raises(ConnectNotReadyError, match="connection refused"):
        client(validating({"database.hostname": ["connection refused"]}, requests)).put_config(CONFIG)
    assert len(requests) == 1


def test_a_wrong_setting_is_refused_by_name() -> None:
    with pytest.raises(ConnectRefusedError, match=r"snapshot\.mode: no such mode"):
        client(validating({"snapshot.mode": ["no such mode"]}, [])).put_config(CONFIG)


def test_a_status_holds_the_cause_of_each_failed_task() -> None:
    content = {
        "connector": {"state": "RUNNING"},
        "tasks": [{"id": 0, "state": "FAILED", "trace": "Outer: stopped\n\tat a.B\nCaused by: Inner: why\n"}],
    }
    (task,) = client(always(200, content)).status().failed_tasks
    assert task.error == "Outer: stopped (because of Inner: why)"


def test_a_login_is_shown_with_every_request_and_a_new_password_with_the_next(tmp_path: Path) -> None:
    file = tmp_path / "password"
    access = ConnectAccess(connect_username="rowcast", connect_password_file=file)
    shown: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        shown.append(b64decode(request.headers["authorization"].removeprefix("Basic ")).decode())
        return httpx.Response(200, json={})

    with ConnectClient(
        "http://connect", "rowcast", login=access.connect_login, transport=httpx.MockTransport(answer)
    ) as asked:
        for password in ("first", "sec:ond\n"):
            file.write_text(password)
            asked.config()
        file.unlink()
        with pytest.raises(ConnectNotReadyError, match="ROWCAST_CONNECT_PASSWORD_FILE: No such file"):
            asked.config()

    assert shown == ["rowcast:first", "rowcast:sec:ond"]


def test_another_login_is_asked_for_by_the_names_of_its_settings() -> None:
    with pytest.raises(ConnectRefusedError, match="another login: see ROWCAST_CONNECT_USERNAME"):
        client(lambda _: httpx.Response(401, text="User cannot access the resource.")).config()


@pytest.mark.parametrize(
    "part",
    [
        {"ROWCAST_CONNECT_USERNAME": "rowcast"},
        {"ROWCAST_CONNECT_PASSWORD": "hidden"},
        {"ROWCAST_CONNECT_PASSWORD_FILE": "/hidden"},
        {
            "ROWCAST_CONNECT_USERNAME": "rowcast",
            "ROWCAST_CONNECT_PASSWORD": "hidden",
            "ROWCAST_CONNECT_PASSWORD_FILE": "/hidden",
        },
    ],
    ids=lambda part: "+".join(name.removeprefix("ROWCAST_CONNECT_") for name in part),
)
def test_a_part_of_a_login_is_refused_without_a_value(monkeypatch: pytest.MonkeyPatch, part: dict[str, str]) -> None:
    for name, value in part.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConnectAccessError, match="belong together") as refused:
        read_connect_access()
    assert "hidden" not in str(refused.value)


def test_without_a_login_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "PASSWORD_FILE"):
        monkeypatch.delenv(f"ROWCAST_CONNECT_{name}", raising=False)

    assert read_connect_access().connect_login is None


@pytest.mark.parametrize("url", ["http://rowcast:hidden@connect:8083", "http://hidden@connect", "//a@b", "http://[/"])
def test_a_url_with_a_login_in_it_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(ValueError, match="must") as refused:
        without_login(url)
    assert "hidden" not in str(refused.value)


def test_the_same_url_is_refused_by_the_command_and_by_crud(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://rowcast:hidden@connect:8083"
    refused = CliRunner().invoke(app, ["apply", "--connect-url", url])
    assert refused.exit_code == 2
    assert "ROWCAST_CONNECT_PASSWORD" in refused.output.replace("\n", " ")
    assert "hidden" not in refused.output

    with pytest.raises(ValidationError, match="must not have a login") as wrong:
        CrudSettings(database_url=SecretStr("postgresql://rowcast@db/rowcast"), connect_url=url)
    assert "hidden" not in str(wrong.value)
