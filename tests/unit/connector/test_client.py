"""How Connect's answers become the few errors that the rest knows."""

import json
from collections.abc import Callable

import httpx
import pytest

from rowcast.connector.client import ConnectClient
from rowcast.connector.errors import ConnectNotReadyError, ConnectRefusedError

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
