"""The API's paths under a version."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from rowcast.runtime.application import equip
from rowcast.runtime.settings import Settings

TOKEN = {"dapr-api-token": "of-the-sidecar"}


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()
    settings = Settings(http_host="0.0.0.0", app_api_token=SecretStr(TOKEN["dapr-api-token"]))
    equip(app, settings, "crud", versioned=True)

    @app.get("/rows/{key}")
    async def row(key: str) -> str:
        return key

    with TestClient(app) as client:
        yield client


def test_the_version_is_another_name_of_the_same_paths(client: TestClient) -> None:
    for path in ("/rows/7", "/v1/rows/7"):
        assert (client.get(path, headers=TOKEN).json(), client.get(path).status_code) == ("7", 401)
        assert client.post(path, headers=TOKEN).status_code == 405
    description = client.get("/v1/openapi.json", headers=TOKEN).json()
    assert (description["paths"].keys(), description["servers"]) == ({"/rows/{key}"}, [{"url": "/v1"}])


def test_what_is_no_part_of_the_api_is_not_under_it(client: TestClient) -> None:
    for path in ("metrics", "healthz", "readyz", "events/x", "dapr/subscribe", "v1/rows/7", "docs", "v10/rows/7"):
        assert client.get(f"/v1/{path}", headers=TOKEN).status_code == 404, path
    assert client.get("/v10/rows/7", headers=TOKEN).status_code == 404


def test_other_sites_pages_are_allowed_nothing(client: TestClient) -> None:
    answer = client.get("/v1/rows/7", headers={**TOKEN, "origin": "https://evil.example"})

    assert [name for name in answer.headers if name.startswith("access-control")] == []
