"""Kafka Connect's REST interface, as far as one connector needs it."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from rowcast.connector.errors import ConnectNotReadyError, ConnectRefusedError
from rowcast.core.connector import Status, read_status

# 404: not started yet, or the connector's status is not written yet; 409: a rebalance is under way.
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

    def __init__(
        self,
        url: str,
        name: str,
        *,
        login: httpx.Auth | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._path = f"/connectors/{name}"
        # Creating a connector may wait for a database's login (connection.validation.timeout.ms).
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(90, connect=5), auth=login, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def config(self) -> Mapping[str, str] | None:
        """The settings as they were put, references unresolved; None if there is no such connector."""
        answer = self._send("GET", f"{self._path}/config", absent_is_fine=True)
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
        return read_status(self._send("GET", f"{self._path}/status").json())

    def restart_failed(self) -> None:
        """Starts what has failed again, the connector or its tasks, and nothing else."""
        self._send("POST", f"{self._path}/restart", params={"includeTasks": "true", "onlyFailed": "true"})

    def stop(self) -> None:
        """Ends the tasks and keeps the connector (KIP-875); returns before they have ended."""
        self._send("PUT", f"{self._path}/stop")

    def resume(self) -> None:
        """Starts the tasks of a stopped connector."""
        self._send("PUT", f"{self._path}/resume")

    def forget_offsets(self) -> None:
        """Forgets how far the connector has read; it must be stopped."""
        try:
            self._send("DELETE", f"{self._path}/offsets")
        except ConnectRefusedError as error:
            # 400 as long as a task is still ending.
            raise ConnectNotReadyError(str(error)) from error

    def _send(self, method: str, path: str, *, absent_is_fine: bool = False, **request: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise ConnectNotReadyError(f"no answer from {self._http.base_url}: {error}") from error
        if answer.is_success or (absent_is_fine and _says_absent(answer)):
            return answer
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise ConnectRefusedError(
                f"{self._http.base_url} wants another login: see ROWCAST_CONNECT_USERNAME and ROWCAST_CONNECT_PASSWORD"
            )
        problem = f"{method} {path}: {answer.status_code} {_message(answer)}"
        if answer.status_code in _NOT_YET or answer.is_server_error:
            raise ConnectNotReadyError(problem)
        raise ConnectRefusedError(problem)


def _says_absent(answer: httpx.Response) -> bool:
    # While Connect starts, its web server knows no paths yet and answers a bare 404.
    return answer.status_code == 404 and "json" in answer.headers.get("content-type", "")


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def _told(problems: Mapping[str, str]) -> str:
    return ", ".join(f"{setting}: {problem}" for setting, problem in sorted(problems.items()))
