"""What callers from outside get to see, and what of theirs is believed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from limits import parse
from starlette.types import ASGIApp, Receive, Scope, Send

from rowcast.crud.settings import CrudSettings
from rowcast.runtime.application import ApiPort, equip
from rowcast.runtime.settings import Settings


class AtPort:
    """As if a request had come in at a port."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._port = app, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "server": ("10.0.0.1", self._port)}, receive, send)


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI()
    equip(made, Settings(http_host="0.0.0.0"), "crud", versioned=True, api_port=ApiPort(8443, parse("3/minute")))

    @made.get("/appconfigs")
    async def seen(request: Request) -> dict[str, Any]:
        return {"headers": dict(request.headers), "root": request.scope["root_path"]}

    return made


def get(app: FastAPI, path: str, port: int = 8443, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(AtPort(app, port))
        async with httpx.AsyncClient(transport=transport, base_url="http://rowcast") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(ask())


def test_the_version_is_another_name_of_the_same_paths_and_of_nothing_else(app: FastAPI) -> None:
    assert get(app, "/appconfigs", 8080).status_code == get(app, "/v1/appconfigs", 8080).status_code == 200
    assert get(app, "/v1/openapi.json", 8080).json()["paths"].keys() == {"/appconfigs"}
    for path in ("/v1/metrics", "/v1/healthz", "/v1/events/x", "/v1/dapr/subscribe", "/v1/v1/appconfigs", "/v1/docs"):
        assert get(app, path, 8080).status_code == 404, path


def test_from_outside_there_is_only_the_version_and_only_for_who_shows_a_token(app: FastAPI) -> None:
    assert get(app, "/appconfigs", authorization="Bearer a").status_code == 404
    assert get(app, "/metrics", authorization="Bearer a").status_code == 404
    for headers in ({}, {"authorization": "Basic YTpi"}):
        refused = get(app, "/v1/appconfigs", **headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json()["errors"][0]["rule"] == "token"


def test_nobody_from_outside_is_believed_by_a_header_of_our_own_parts(app: FastAPI) -> None:
    forged = {"x_rowcast_user": "ada", "x_rowcast_user_verified": "true", "dapr_caller_app_id": "ui"}
    answer = get(app, "/v1/appconfigs", authorization="Bearer a", dapr_api_token="x", **forged).json()

    assert [name for name in answer["headers"] if name.startswith(("x-rowcast", "dapr"))] == []
    assert (answer["headers"]["authorization"], answer["root"]) == ("Bearer a", "/v1")


def test_a_caller_who_asks_too_often_is_told_when_to_come_again_and_keeps_nobody_else_out(app: FastAPI) -> None:
    codes = [get(app, "/v1/appconfigs", authorization="Bearer a").status_code for _ in range(4)]
    late = get(app, "/v1/appconfigs", authorization="Bearer a")

    assert codes == [200, 200, 200, 429]
    assert late.json()["errors"][0]["rule"] == "rate"
    assert 1 <= int(late.headers["retry-after"]) <= 60
    assert get(app, "/v1/appconfigs", authorization="Bearer b").status_code == 200
    assert get(app, "/appconfigs", 8080, authorization="Bearer a").status_code == 200


def test_other_sites_pages_are_allowed_nothing(app: FastAPI) -> None:
    answer = get(app, "/v1/appconfigs", authorization="Bearer a", origin="https://evil.example")

    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_the_port_is_not_opened_without_issuers() -> None:
    with pytest.raises(ValueError, match="ROWCAST_API_PORT needs ROWCAST_ISSUERS"):
        CrudSettings.model_validate({"database_url": "postgresql://nowhere/none", "api_port": 8443})
