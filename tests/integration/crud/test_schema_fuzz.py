"""Whatever the description allows, and much that it doesn't: no error of ours, no answer that it doesn't have.

Schemathesis makes the requests from crud's own OpenAPI: the same ones in each run, bounded in number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from rowcast.crud.app import create_app

from .serving import make_settings, serving

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]
LINE = 60_000
"""A longer request line uvicorn refuses itself, before there is anything to describe."""
NOBODY = 1
"""A port at which no sidecar is."""
GENERATION = GenerationConfig(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE], deterministic=True)
CONFIG = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=GENERATION)))
SCHEMA = schemathesis.openapi.from_dict(create_app(make_settings("postgresql://nowhere/none")).openapi(), config=CONFIG)
BOUNDED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def fuzzed(migrated_url: str, sql: sa.Connection) -> Iterator[httpx.Client]:
    sql.execute(
        sa.text(
            "INSERT INTO app_configs (name, repository_url, environment)"
            " SELECT 'row-' || n, 'https://git.example/x.git', 'dev' FROM generate_series(1, 20) AS n"
        )
    )
    with serving(make_settings(migrated_url, dapr_http_port=NOBODY)) as client:
        yield client


@SCHEMA.parametrize()
@BOUNDED
def test_every_answer_is_one_that_the_description_has(case: Any, fuzzed: httpx.Client) -> None:
    response = case.call(base_url=str(fuzzed.base_url))
    if len(response.request.url) > LINE:
        assert response.status_code < 500
        return
    if response.status_code == 503 and "/pipeline" not in case.path:
        assert case.path.startswith(("/reconciles", "/deadletters")), response.text  # they need the sidecar
        return
    case.validate_response(response, checks=CHECKS)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "row_id": st.integers() | ANYTHING,
        "generation": st.integers() | ANYTHING,
        "outcome": st.sampled_from(["created", "dead-lettered"]) | ANYTHING,
        "delivered_at": st.datetimes().map(lambda time: time.isoformat() + "Z") | ANYTHING,
        "saved_at": st.datetimes().map(lambda time: time.isoformat() + "+14:00") | ANYTHING,
        "error": ANYTHING,
        "deleted": ANYTHING,
    },
)
REPORT = st.fixed_dictionaries(
    {"target": st.just("k8s") | ANYTHING, "statuses": st.lists(STATUS, max_size=3) | ANYTHING}
)
LETTER = st.fixed_dictionaries(
    {"target": st.just("k8s") | ANYTHING, "reason": st.text() | ANYTHING, "error": ANYTHING, "event": ANYTHING},
    optional={"row_id": ANYTHING, "position": ANYTHING, "dead_lettered_at": st.datetimes().map(str) | ANYTHING},
)


@pytest.mark.parametrize("route", ["/events/sync-status", "/events/dead-letters"])
@settings(BOUNDED, max_examples=60)
@given(data=REPORT | LETTER | ANYTHING)
def test_what_dapr_brings_is_taken_or_dropped_and_leaves_the_lists_readable(
    fuzzed: httpx.Client, route: str, data: object
) -> None:
    answer = fuzzed.post(route, content=json.dumps({"data": data}), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["status"] in ("SUCCESS", "DROP")) == (200, True), answer.text
    for path in ("/appconfigs", "/deadletters", "/appconfigs:snapshot?sync=true"):
        assert fuzzed.get(path).status_code == 200


@pytest.mark.parametrize("route", ["/events/sync-status", "/events/dead-letters"])
@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b'{"data": {"target": "\\ud800"}}', b"null", b"{"])
def test_what_dapr_brings_that_is_no_event_is_dropped(fuzzed: httpx.Client, route: str, body: bytes) -> None:
    answer = fuzzed.post(route, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()) == (200, {"status": "DROP"})
