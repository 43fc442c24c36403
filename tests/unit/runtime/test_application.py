import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, SecretStr

from rowcast.runtime.application import Equipment, equip
from rowcast.runtime.problems import ProblemError
from rowcast.runtime.settings import Settings


class Body(BaseModel):
    text: str


def make_app(**settings: Any) -> tuple[FastAPI, Equipment]:
    app = FastAPI()
    equipment = equip(app, Settings(**settings), "test")

    @app.get("/refused")
    def refused() -> None:
        raise ProblemError(409, "it is taken", [{"field": "name", "rule": "unique", "message": "taken"}])

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("a secret detail")

    @app.post("/body")
    def body(body: Body) -> str:
        return body.text

    return app, equipment


def send(app: FastAPI, method: str, path: str, **arguments: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path, **arguments)

    return asyncio.run(go())


def test_a_raised_problem_is_the_answer() -> None:
    response = send(make_app()[0], "GET", "/refused")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "it is taken",
        "errors": [{"field": "name", "rule": "unique", "message": "taken"}],
    }


def test_an_unexpected_error_tells_its_request_id_and_nothing_else() -> None:
    response = send(make_app()[0], "GET", "/broken", headers={"x-request-id": "r-1"})
    assert (response.status_code, response.headers["x-request-id"]) == (500, "r-1")
    assert "r-1" in response.json()["detail"]
    assert "secret" not in response.text


@pytest.mark.parametrize(("path", "status"), [("/unknown", 404), ("/events/unknown", 503)])
def test_a_route_that_is_not_there_is_a_problem_that_makes_no_sidecar_drop_events(path: str, status: int) -> None:
    response = send(make_app()[0], "POST", path)
    assert (response.status_code, response.json()["status"]) == (status, status)


def test_a_validation_error_names_field_and_rule() -> None:
    response = send(make_app()[0], "POST", "/body", json={})
    assert response.status_code == 422
    assert [(error["field"], error["rule"]) for error in response.json()["errors"]] == [("text", "required")]


@pytest.mark.parametrize("token", [None, "wrong", "é"])
def test_without_the_token_only_probes_and_metrics_answer(token: str | None) -> None:
    app, _ = make_app(app_api_token=SecretStr("right"))
    headers = {b"dapr-api-token": token.encode()} if token else {}
    assert send(app, "POST", "/body", json={"text": "x"}, headers=headers).status_code == 401
    for path in ("/healthz", "/readyz", "/metrics"):
        assert send(app, "GET", path, headers=headers).status_code == 200


def test_with_the_token_everything_answers() -> None:
    app, _ = make_app(app_api_token=SecretStr("right"))
    headers = {"dapr-api-token": "right"}
    assert send(app, "POST", "/body", json={"text": "x"}, headers=headers).json() == "x"
    assert send(app, "GET", "/unknown", headers=headers).status_code == 404


def test_a_body_over_the_limit_is_refused_also_when_it_streams() -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 30

    app, _ = make_app(max_body_bytes=100)
    for content in (b"x" * 101, stream()):
        response = send(app, "POST", "/body", content=content, headers={"content-type": "application/json"})
        assert (response.status_code, response.json()["status"]) == (413, 413)


def test_readiness_names_what_fails_and_why() -> None:
    app, equipment = make_app()

    def broken() -> None:
        raise ConnectionError("refused")

    async def fine() -> None:
        return None

    equipment.readiness.add("database", broken)
    equipment.readiness.add("target", fine)
    response = send(app, "GET", "/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "failures": {"database": "refused"}}


def test_a_check_that_hangs_fails_and_is_not_started_again() -> None:
    app, equipment = make_app()
    released, calls = threading.Event(), []

    def hanging() -> None:
        calls.append(1)
        released.wait()

    equipment.readiness._time_limit = 0.01
    equipment.readiness.add("slow", hanging)

    async def go() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            answers = [await client.get("/readyz") for _ in range(3)]
        released.set()
        return answers

    assert {answer.status_code for answer in asyncio.run(go())} == {503}
    assert len(calls) == 1


def test_requests_are_counted_by_their_routes_template() -> None:
    app, _ = make_app()
    send(app, "GET", "/refused")
    send(app, "GET", "/nowhere/1")
    metrics = send(app, "GET", "/metrics").text
    assert 'rowcast_http_request_seconds_count{method="GET",route="/refused",status="409"} 1.0' in metrics
    assert 'route="unmatched",status="404"' in metrics
    assert "nowhere" not in metrics


def test_an_event_that_another_application_invokes_is_no_event() -> None:
    app, _ = make_app()

    @app.post("/events/rows")
    def rows() -> str:
        return "taken"

    assert send(app, "POST", "/events/rows").status_code == 200
    forged = send(app, "POST", "/events/rows", headers={"dapr-caller-app-id": "ui"})
    assert (forged.status_code, forged.json()["detail"]) == (403, "events come from the broker, and from nobody else")
