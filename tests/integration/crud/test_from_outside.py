"""What crud is to those who come by its own port: at which rate, how much, and no page of another site is let in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from world import wait_until

from .serving import make_settings, serving
from .test_access import ADMIN, POLICY, TOKEN, by

BURST = 5
MOST = 2000
URL = "https://git.example/shop.git"


@pytest.fixture
def crud(serving_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A bucket of it fills in so long that no test sees it."""
    policy, issuers = tmp_path / "policy.csv", tmp_path / "issuers.yaml"
    policy.write_text(POLICY)
    issuers.write_text(json.dumps({"issuers": [_issuer("one")]}))
    limits = {"requests_per_second": 0.001, "requests_burst": BURST, "max_body_bytes": MOST}
    settings = make_settings(serving_url, policy=policy, issuers=issuers, app_api_token=TOKEN, **limits)
    with serving(settings) as client:
        yield client


def _issuer(name: str) -> dict[str, Any]:
    return {"issuer": f"https://{name}.example", "audiences": ["rowcast"]}


def _metric(crud: httpx.Client) -> float:
    lines = crud.get("/metrics").text.splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("rowcast_requests_limited_total ")))


def test_one_caller_makes_so_many_requests_and_takes_none_of_anothers(crud: httpx.Client) -> None:
    one, other = by("dev@example.com"), by("looker@example.com")
    assert [crud.get("/v1/appconfigs", headers=one).status_code for _ in range(BURST)] == [200] * BURST
    refused = crud.get("/v1/renderers", headers=one)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 1000
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["title"] == "Too Many Requests"
    assert crud.get("/v1/appconfigs", headers=other).status_code == 200
    assert _metric(crud) == 1


def test_the_targets_instances_and_those_whom_nobody_vouches_for_in_the_dashboard_have_no_rate(
    crud: httpx.Client,
) -> None:
    for path, who in (("/rows:snapshot", by(None, app="sync-k8s")), ("/access:mine", by(None))):
        assert {crud.get(path, headers=who).status_code for _ in range(3 * BURST)} == {200}


def test_who_shows_worthless_tokens_starves_nobody_at_the_same_address(crud: httpx.Client) -> None:
    worthless = {"authorization": "Bearer e30.e30.e30"}
    answers = [crud.get("/v1/appconfigs", headers=worthless).status_code for _ in range(BURST + 1)]
    assert answers == [401] * BURST + [429]
    assert crud.get("/v1/appconfigs", headers=by("dev@example.com")).status_code == 200


@pytest.mark.parametrize("path", ["/v1/appconfigs", "/v1/appconfigs:batch", "/v1/appconfigs:import"])
def test_a_body_of_chunks_may_have_no_more_than_one_that_says_how_long_it_is(crud: httpx.Client, path: str) -> None:
    body = json.dumps({"name": "x" * MOST, "repository_url": URL, "environment": "dev"}).encode()
    for content in (body, (body[at : at + 100] for at in range(0, len(body), 100))):
        answer = crud.post(path, content=content, headers={**ADMIN, "content-type": "application/json"})
        assert answer.status_code == 413, answer.text
        assert str(MOST) in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/appconfigs", "/v1/openapi.json", "/v1/access:mine", "/nothing"])
@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_no_page_of_another_site_is_let_in(crud: httpx.Client, path: str, method: str) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for who in (ADMIN, {}, {"authorization": "Bearer x"}):
        answer = crud.request(method, path, headers={**asked, **who})
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_the_description_is_the_api_s_under_its_version(crud: httpx.Client) -> None:
    description = crud.get("/v1/openapi.json", headers=ADMIN).json()
    assert description["servers"] == [{"url": "/v1"}]
    assert description["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert "429" in description["paths"]["/appconfigs"]["post"]["responses"]


def test_who_shows_no_token_or_says_to_be_a_sidecar_gets_nowhere(crud: httpx.Client) -> None:
    forged = {
        "dapr-caller-app-id": "sync-k8s",
        "x-rowcast-user": "admin@example.com",
        "x-rowcast-user-verified": "true",
    }
    for path in ("/v1/appconfigs", "/v1/rows:snapshot", "/v1/openapi.json", "/events/sync-status", "/dapr/subscribe"):
        for headers in ({}, forged, {**forged, "dapr-api-token": "guessed"}):
            assert crud.get(path, headers=headers).status_code == 401, path
    with_token = {**forged, "authorization": "Bearer x"}
    assert crud.get("/v1/rows:snapshot", headers=with_token).status_code == 401
    for path in ("/v1/events/sync-status", "/v1/dapr/subscribe", "/v1/metrics", "/v1/healthz", "/v1/docs"):
        assert crud.get(path, headers=ADMIN).status_code == 404, path


def test_issuers_are_read_again_and_a_wrong_file_leaves_those_before(serving_url: str, tmp_path: Path) -> None:
    issuers = tmp_path / "issuers.yaml"
    issuers.write_text(json.dumps({"issuers": [_issuer("one")]}))
    with serving(make_settings(serving_url, issuers=issuers)) as crud:

        def shown() -> tuple[str, list[str], str | None]:
            stations = crud.get("/pipeline").json()["stations"]
            access = next(each for each in stations if each["name"] == "access")
            return access["state"], access["facts"]["issuers"], access["message"]

        assert shown()[:2] == ("ok", ["https://one.example"])
        issuers.write_text(json.dumps({"issuers": [_issuer("one"), _issuer("two")]}))
        wait_until(lambda: shown()[:2] == ("ok", ["https://one.example", "https://two.example"]))
        issuers.write_text(json.dumps({"issuers": [_issuer("three"), {"issuer": "http://four.example"}]}))
        wait_until(lambda: shown()[0] == "degraded")
        _, there, why = shown()
        assert there == ["https://one.example", "https://two.example"]
        assert why is not None
        assert "issuers.1.issuer" in why
        assert "those before stay" in why
