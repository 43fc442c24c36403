"""crud's API for commands: directly by its URL, or invoked through the command's own sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from rowcast.check.credentials import bearer, logins
from rowcast.core.errors import RowcastError, TransientError
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.runtime.exits import ProposedError

CRUD = "crud"
VERSION = "/v1"
"""What the paths of the API begin with for those who count on them; crud answers without it, too."""
DRY_RUN_SECONDS = 40.0
"""Twice as long as crud waits for its answers."""
_PASSING = frozenset({408, 425, 429})


class RefusedError(RowcastError):
    """crud, or a sidecar on the way, has judged the request wrong; trying again does not help. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Access:
    """Where requests to crud go, and what they carry."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


def access(url: str | None, environment: Mapping[str, str]) -> Access:
    """crud's own address if there is one, or the one of the login (with APP_API_TOKEN); else the sidecar.

    That is at DAPR_HTTP_PORT, with DAPR_API_TOKEN. Either way with the token that says who asks, if there is one.
    Raises LoginError and TransientError.
    """
    server = url or (None if environment.get("DAPR_HTTP_PORT") else logins(environment)["current"])
    if server:
        return Access(_versioned(server), _token(environment.get("APP_API_TOKEN")) | _bearer(server, environment))
    sidecar = sidecar_url(environment)
    return Access(sidecar, {"dapr-app-id": CRUD, **sidecar_token(environment)} | _bearer(sidecar, environment))


def _versioned(url: str) -> str:
    return url.rstrip("/").removesuffix(VERSION) + VERSION


def _bearer(server: str, environment: Mapping[str, str]) -> dict[str, str]:
    found = bearer(server.rstrip("/").removesuffix(VERSION), environment)
    return {"authorization": f"Bearer {found.token}"} if found else {}


def sidecar_url(environment: Mapping[str, str]) -> str:
    """The own sidecar's HTTP API."""
    return f"http://127.0.0.1:{environment.get('DAPR_HTTP_PORT') or 3500}"


def sidecar_token(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that the own sidecar wants to see, if it wants one."""
    return _token(environment.get("DAPR_API_TOKEN"))


def _token(token: str | None) -> dict[str, str]:
    return {"dapr-api-token": token} if token else {}


class Crud:
    """One connection. Every method raises TransientError (try again) or RefusedError (don't), and one that changes
    something ProposedError. `comment` says why, for who has to approve changes.
    """

    def __init__(
        self,
        to: Access,
        *,
        person: str = "rowcast",
        comment: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = to.url
        self._decoded_once_more = "dapr-app-id" in to.headers
        said = {**to.headers, "x-rowcast-user": person, **({"x-rowcast-comment": comment} if comment else {})}
        self._http = httpx.Client(
            base_url=to.url,
            headers={name.encode(): value.encode() for name, value in said.items()},
            timeout=httpx.Timeout(15, connect=5),
            transport=transport,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def status(self, row: RowKey) -> dict[str, Any]:
        """What became of a row: `{generation, targets}` at least; the generation is null if the row is gone."""
        if row.renderer == APP_CONFIGS:
            return self._send("GET", f"/appconfigs/{row.key}/status")
        found = self._send("GET", f"/renderers/{quote(row.renderer, safe='')}/rows/{self.in_path(row.key)}")
        return found | {"generation": None} if found["deleted"] else found

    def create(self, config: Mapping[str, str]) -> dict[str, Any]:
        """The new row."""
        return self._send("POST", "/appconfigs", json=dict(config))

    def change(self, row_id: int, config: Mapping[str, str]) -> dict[str, Any]:
        """The row with some fields changed."""
        return self._send("PATCH", f"/appconfigs/{row_id}", json=dict(config))

    def delete(self, row_id: int) -> None:
        """Deletes the row; one that is gone is no error."""
        try:
            self._send("DELETE", f"/appconfigs/{row_id}")
        except RefusedError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def find(self, search: str) -> list[dict[str, Any]]:
        """The rows, 1,000 at most, that have this text in their name, repository or branch."""
        rows: list[dict[str, Any]] = self._send("GET", "/appconfigs", params={"search": search, "limit": 1000})["items"]
        return rows

    def explain(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Whether something is allowed, and why."""
        return self._send("GET", "/access:explain", params=dict(wanted))

    def promotions(self, renderer: str, **params: str) -> dict[str, Any]:
        """Which version is where: a page of the board."""
        return self._send("GET", f"/renderers/{quote(renderer, safe='')}/promotions", params=params)

    def promote(self, renderer: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What promoting did, or would do: `items`."""
        return self._send("POST", f"/renderers/{quote(renderer, safe='')}/promotions", json=dict(wanted))

    def requests(self, renderer: str) -> list[dict[str, Any]]:
        """What waits for an approval, 1,000 at most."""
        path = f"/renderers/{quote(renderer, safe='')}/promotions:requests"
        found: list[dict[str, Any]] = self._send("GET", path, params={"state": "awaiting", "limit": 1000})["items"]
        return found

    def decide(self, renderer: str, number: int, approved: bool, why: str | None) -> dict[str, Any]:
        """Approve a request, or refuse it: the promotion as it is then."""
        path = f"/renderers/{quote(renderer, safe='')}/promotions/{number}"
        return (
            self._send("POST", f"{path}:approve")
            if approved
            else self._send("POST", f"{path}:refuse", json={"why": why})
        )

    def in_path(self, key: str) -> str:
        """A key as a part of a path: a sidecar decodes the path before it passes it on."""
        once = quote(key, safe="")
        return quote(once, safe="") if self._decoded_once_more else once

    def send(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """An answer's JSON; `{}` if there is none. A key in a path is quoted by `in_path`."""
        return self._send(method, path, **request)

    def dry_run(self, renderer: str, declaration: str, keys: Sequence[str]) -> dict[str, Any]:
        """What the API server says to rows of a renderer by a declaration: `rows`, and why others are `unavailable`."""
        asked = {"spec": declaration, "keys": list(keys)}
        return self._send("POST", f"/renderers/{quote(renderer, safe='')}:dry-run", json=asked, timeout=DRY_RUN_SECONDS)

    def _send(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            cause = str(error) or type(error).__name__
            raise TransientError(f"crud cannot be reached at {self._url}: {cause}") from error
        if answer.is_error:
            raise _error(answer)
        content: dict[str, Any] = answer.json() if answer.content else {}
        if answer.status_code == httpx.codes.ACCEPTED and "asked_by" in content:
            number = content["id"]
            raise ProposedError(
                f"proposed, and not done yet: somebody else has to approve proposal {number}"
                f" (`rowcast proposals show {number}`)"
            )
        return content


def _error(answer: httpx.Response) -> RowcastError:
    status, said = answer.status_code, _said(answer)
    if status >= 500 or status in _PASSING:
        return TransientError(f"{status}: {said}")
    if status == httpx.codes.UNAUTHORIZED:
        return RefusedError(status, f"{status}: {said}: {_way_in(answer)}")
    return RefusedError(status, f"{status}: {said}")


def _way_in(answer: httpx.Response) -> str:
    if "bearer" in answer.headers.get("www-authenticate", "").lower() or "token" in _rules(answer):
        return "run `rowcast login`, or set ROWCAST_TOKEN or ROWCAST_TOKEN_FILE (`rowcast whoami` shows what is sent)"
    return "set DAPR_API_TOKEN (APP_API_TOKEN for crud itself)"


def _rules(answer: httpx.Response) -> set[str]:
    try:
        return {str(error.get("rule")) for error in answer.json().get("errors") or ()}
    except (ValueError, AttributeError):
        return set()


def _said(answer: httpx.Response) -> str:
    """crud's own problem (`detail`, `errors`), the sidecar's error (`message`), or whatever it is."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return answer.text[:200] or answer.reason_phrase
    errors = [one for one in content.get("errors") or () if one.get("message") != content.get("detail")]
    fields = [f"{one.get('field')}: {one.get('message')}" for one in errors]
    return "; ".join([str(content.get("detail") or content.get("message") or answer.reason_phrase), *fields])
