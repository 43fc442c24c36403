"""Kafka Connect's REST interface, as far as one connector needs it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from rowcast.connector.errors import ConnectNotReadyError, ConnectRefusedError
from rowcast.connector.plan import Status, TaskStatus, root_cause

# 404 on other paths: the REST server is up before the herder; 409: a rebalance is under way.
_NOT_YET = {404, 408, 409, 429}
# Debezium tries to log in when a configuration is validated, and blames these settings when it can't.
_PLACE_SETTINGS = {
    "database.hostname",
    "database.port",
    "database.dbname",
    "database.user",
    "database.password",
}


class ConnectClient:
    """One connector on one Connect cluster. Every method raises ConnectNotReadyError or ConnectRefusedError."""

    def __init__(self, url: str, name: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._path = f"/connectors/{name}"
        # Creating a connector may wait for a database's login (connection.validation.timeout.ms).
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(90, connect=5), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def config(self) -> Mapping[str, str] | None:
        """The settings as they were put, references unresolved; None if there is no such connector."""
        answer = self._send("GET", f"{self._path}/config", expected={404})
        if answer.status_code == 404:
            return None
        settings: dict[str, str] = answer.json()
        return settings

    def put_config(self, config: Mapping[str, str]) -> None:
        """Creates the connector or gives it other settings, if Connect finds them valid."""
        problems = self._problems(config)
        if problems.keys() & _PLACE_SETTINGS:
            raise ConnectNotReadyError(_told(problems))
        if problems:
            raise ConnectRefusedError(f"invalid settings: {_told(problems)}")
        self._send("PUT", f"{self._path}/config", json=dict(config))

    def _problems(self, config: Mapping[str, str]) -> dict[str, str]:
        plugin = config["connector.class"].rsplit(".", 1)[-1]
        named = {**config, "name": self._path.rsplit("/", 1)[-1]}
        answer = self._send("PUT", f"/connector-plugins/{plugin}/config/validate", json=named)
        values = (entry["value"] for entry in answer.json()["configs"])
        return {value["name"]: "; ".join(value["errors"]) for value in values if value["errors"]}

    def status(self) -> Status:
        """How the connector and its tasks are."""
        content = self._send("GET", f"{self._path}/status").json()
        tasks = [TaskStatus(task["id"], task["state"], root_cause(task.get("trace"))) for task in content["tasks"]]
        connector = content["connector"]
        return Status(connector["state"], tasks, root_cause(connector.get("trace")))

    def restart_failed(self) -> None:
        """Starts what has failed again, the connector or its tasks, and nothing else."""
        self._send("POST", f"{self._path}/restart", params={"includeTasks": "true", "onlyFailed": "true"})

    def _send(self, method: str, path: str, *, expected: set[int] | None = None, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise ConnectNotReadyError(f"no answer from {self._http.base_url}: {error}") from error
        if answer.is_success or answer.status_code in (expected or ()):
            return answer
        problem = f"{method} {path}: {answer.status_code} {_message(answer)}"
        if answer.status_code in _NOT_YET or answer.is_server_error:
            raise ConnectNotReadyError(problem)
        raise ConnectRefusedError(problem)


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _told(problems: Mapping[str, str]) -> str:
    return ", ".join(f"{setting}: {problem}" for setting, problem in sorted(problems.items()))
