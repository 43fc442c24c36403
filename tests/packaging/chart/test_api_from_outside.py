"""The API's door: what goes through it, to which port, and who may stand before it."""

from pathlib import Path
from typing import Any

import pytest

from charting.rendering import RefusedError, one, pod, render

ACCESS = """\
crud:
  access:
    policy: "g, group:platform, role:admin"
    issuers: [{issuer: "https://login.example.com", audiences: [rowcast]}]
networkPolicies:
  apiFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]
"""
INGRESS = ("crud.ingress.enabled=true", "crud.ingress.host=api.example.com")
ROUTE = ("crud.httpRoute.enabled=true", "crud.httpRoute.parentRefs[0].name=public")


@pytest.fixture
def values(tmp_path: Path) -> Path:
    path = tmp_path / "values.yaml"
    path.write_text(ACCESS)
    return path


def _paths(ingress: dict[str, Any]) -> list[tuple[str, str]]:
    rules = ingress["spec"]["rules"]
    return [(rule["host"], path["path"]) for rule in rules for path in rule["http"]["paths"]]


def test_by_default_there_is_no_door_and_nothing_to_knock_at() -> None:
    made = {(each["kind"], each["metadata"]["name"]) for each in render()}
    assert not made & {(kind, "rowcast-crud") for kind in ("Service", "Ingress", "HTTPRoute")}
    assert ("NetworkPolicy", "rowcast-api") not in made


def test_an_ingress_leads_to_the_api_alone(values: Path) -> None:
    manifests = render(*INGRESS, values=values)
    ingress = one(manifests, "Ingress", "rowcast-crud")
    assert _paths(ingress) == [("api.example.com", "/v1")]
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    service = one(manifests, "Service", backend["name"])
    [port] = service["spec"]["ports"]
    assert backend["port"] == {"name": port["name"]}
    crud = pod(manifests, "crud")
    assert service["spec"]["selector"].items() <= crud.metadata["labels"].items()
    assert port["targetPort"] in [each["name"] for each in crud.containers[0]["ports"]]


def test_several_hosts_each_have_the_api_or_a_part_of_it(values: Path) -> None:
    hosts = (
        "crud.ingress.enabled=true",
        "crud.ingress.hosts[0].host=a.example",
        "crud.ingress.hosts[1].host=b.example",
    )
    ingress = one(
        render(*hosts, "crud.ingress.hosts[1].paths[0].path=/v1/appconfigs", values=values), "Ingress", "rowcast-crud"
    )
    assert _paths(ingress) == [("a.example", "/v1"), ("b.example", "/v1/appconfigs")]


@pytest.mark.parametrize("matches", [(), ("crud.httpRoute.matches=null",)])
def test_a_gateway_leads_to_the_api_alone(values: Path, matches: tuple[str, ...]) -> None:
    route = one(render(*ROUTE, *matches, values=values), "HTTPRoute", "rowcast-crud")
    [rule] = route["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/v1"}}]
    assert rule["backendRefs"] == [{"name": "rowcast-crud", "port": 80}]


def test_the_service_behind_the_door_has_annotations(values: Path) -> None:
    annotation = r"crud.service.annotations.example\.com/backend=tls"
    service = one(render(*INGRESS, annotation, values=values), "Service", "rowcast-crud")
    assert service["metadata"]["annotations"] == {"example.com/backend": "tls"}


def test_only_the_ingress_gets_to_the_port(values: Path) -> None:
    policy = one(render(*INGRESS, values=values), "NetworkPolicy", "rowcast-api")["spec"]
    assert policy["podSelector"]["matchExpressions"][0]["values"] == ["crud"]
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
    assert policy["ingress"] == [{"from": [peer], "ports": [{"protocol": "TCP", "port": 8080}]}]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([*INGRESS, "crud.ingress.path=/metrics"], "crud.ingress has the path /metrics: it has to be /v1 or below"),
        ([*INGRESS, "crud.ingress.path=/v10"], "has to be /v1 or below"),
        ([*ROUTE, "crud.httpRoute.matches[0].path.value=/events"], "crud.httpRoute has the path /events"),
        ([*ROUTE, "crud.httpRoute.matches[0].path.type=RegularExpression"], "regular expression"),
        ([*INGRESS, "crud.access.policy="], "crud.ingress.enabled needs crud.access.policy and crud.access.issuers"),
        (
            [*ROUTE, "crud.access.issuers=null"],
            "crud.httpRoute.enabled needs crud.access.policy and crud.access.issuers",
        ),
        ([*INGRESS, "networkPolicies.apiFrom=null"], "crud.ingress.enabled needs networkPolicies.apiFrom"),
    ],
)
def test_a_door_that_would_let_others_in_is_refused(values: Path, given: list[str], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        render(*given, values=values)


def test_callers_have_the_rate_that_the_values_say() -> None:
    environment = pod(render("crud.rateLimit.requestsPerSecond=7", "crud.rateLimit.burst=9"), "crud").environment
    assert environment["ROWCAST_REQUESTS_PER_SECOND"] == "7"
    assert environment["ROWCAST_REQUESTS_BURST"] == "9"
