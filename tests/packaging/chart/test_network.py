"""NetworkPolicies: the way of a change is open, and nothing else; by default that holds for what comes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charting.rendering import CHART, CI_VALUES, Manifest, of_kind, pods, render

CLOSED = "networkPolicies.egress=true"
NAMES = {"app.kubernetes.io/name": "rowcast", "app.kubernetes.io/instance": "rowcast"}


def _components(selector: Manifest) -> list[str] | None:
    """The parts of this release that a selector takes; None for all of them."""
    assert selector["matchLabels"] == NAMES
    expressions = selector.get("matchExpressions")
    if not expressions:
        return None
    (expression,) = expressions
    assert (expression["key"], expression["operator"]) == ("app.kubernetes.io/component", "In")
    values: list[str] = expression["values"]
    return values


def _ways(policies: list[Manifest], direction: str, peers: str) -> Iterator[tuple[str, str, int]]:
    """(part, peer, port) for each way that is let through; the peer is a part, a namespace, addresses or anybody."""
    for policy in policies:
        for rule in policy["spec"].get(direction, ()):
            for part in _components(policy["spec"]["podSelector"]) or ["*"]:
                names = [name for peer in rule[peers] for name in _peer(peer)] if peers in rule else ["anybody"]
                yield from ((part, name, port["port"]) for name in names for port in rule["ports"])


def _peer(peer: Any) -> list[str]:
    if "ipBlock" in peer:
        return [peer["ipBlock"]["cidr"]]
    if "namespaceSelector" in peer:
        return [f"namespace {peer['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}"]
    return _components(peer["podSelector"]) or ["*"]


def _policies(*settings: str) -> list[Manifest]:
    return list(of_kind(render(CLOSED, *settings), "NetworkPolicy").values())


def test_by_default_nobody_gets_in_uncalled_and_the_way_out_is_open() -> None:
    policies = of_kind(render(), "NetworkPolicy")

    assert _components(policies["rowcast-closed"]["spec"]["podSelector"]) is None
    assert {kind for one in policies.values() for kind in one["spec"]["policyTypes"]} == {"Ingress"}
    assert not [name for name, one in policies.items() if "egress" in one["spec"]]
    assert set(_ways(list(policies.values()), "ingress", "from")) == set(_ways(_policies(), "ingress", "from"))


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_every_included_part_that_serves_says_by_whom_it_is_reached(values: Path) -> None:
    manifests = render(values=values)
    serving = {one["spec"]["selector"]["app.kubernetes.io/component"] for one in of_kind(manifests, "Service").values()}
    named = {
        part
        for one in of_kind(manifests, "NetworkPolicy").values()
        if one["spec"].get("ingress")
        for part in _components(one["spec"]["podSelector"]) or ()
    }
    assert serving <= named


def test_there_are_none_where_they_are_not_wanted() -> None:
    assert of_kind(render("networkPolicies.enabled=false"), "NetworkPolicy") == {}


def test_everything_is_closed_first() -> None:
    closed = of_kind(render(CLOSED), "NetworkPolicy")["rowcast-closed"]["spec"]

    assert _components(closed["podSelector"]) is None
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert closed.keys() == {"podSelector", "policyTypes"}


def test_these_ways_lead_in_and_no_others() -> None:
    assert set(_ways(_policies(), "ingress", "from")) == {
        *((("crud", caller, 50002)) for caller in ("sync-k8s", "sync-git", "ui", "check")),
        *(("kafka", client, 9092) for client in ("crud", "sync-k8s", "sync-git", "connect")),
        *(("postgres", client, 5432) for client in ("crud", "migrate", "renderers", "connect")),
        *(("connect", client, 8083) for client in ("connector", "connect", "crud")),
        *((part, "crud", 50002) for part in ("sync-k8s", "sync-git")),
        ("git-server", "sync-git", 8080),
        ("ui", "anybody", 8501),
        *(
            (part, "namespace monitoring", port)
            for part in ("crud", "sync-k8s", "sync-git", "ui", "check")
            for port in (8080, 9090)
        ),
    }


def test_these_ways_lead_out_and_no_others() -> None:
    with_sidecar = ("crud", "sync-k8s", "sync-git", "ui", "check")
    assert set(_ways(_policies(), "egress", "to")) == {
        ("*", "namespace kube-system", 53),
        *((part, "namespace dapr-system", port) for part in with_sidecar for port in (6500, 50001, 50005, 50006)),
        *((caller, "crud", 50002) for caller in ("sync-k8s", "sync-git", "ui", "check")),
        *((client, "kafka", 9092) for client in ("crud", "sync-k8s", "sync-git", "connect")),
        *((client, "postgres", 5432) for client in ("crud", "migrate", "renderers", "connect")),
        *((client, "connect", 8083) for client in ("connector", "connect", "crud")),
        *(("crud", part, 50002) for part in ("sync-k8s", "sync-git")),
        ("sync-git", "git-server", 8080),
        *((part, "0.0.0.0/0", port) for part in ("sync-k8s", "crds") for port in (443, 6443)),
    }


@pytest.mark.parametrize(("kind", "port"), [("kafka", 9092), ("redis", 6379), ("rabbitmq", 5672), ("jetstream", 4222)])
def test_the_engine_and_the_sidecars_reach_the_broker_and_crud_asks_capture(kind: str, port: int) -> None:
    options = (f"global.broker.kind={kind}", "global.capture.kind=engine", "sync.k8s.autoscaling.engine=keda")
    policies = _policies(*options)
    ways = set(_ways(policies, "ingress", "from"))

    clients = {peer for part, peer, at in ways if (part, at) == (kind, port)} - {"namespace keda"}
    assert clients == {"crud", "sync-k8s", "sync-git", "capture"}
    # NATS tells of its streams by its monitoring.
    assert {at for part, peer, at in ways if peer == "namespace keda"} == {8222 if kind == "jetstream" else port}
    assert ("postgres", "capture", 5432) in ways
    assert {peer for part, peer, _ in ways if part == "capture"} == {"crud", "namespace monitoring"}
    assert not [name for name in of_kind(policies, "NetworkPolicy") if "connect" in name]


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_every_way_between_two_parts_is_open_at_both_ends(values: Path) -> None:
    manifests = render(CLOSED, values=values)
    policies = list(of_kind(manifests, "NetworkPolicy").values())
    parts = {one.metadata["labels"]["app.kubernetes.io/component"] for one in pods(manifests)}

    arrivals = {(a, b, port) for b, a, port in _ways(policies, "ingress", "from") if {a, b} <= parts}
    departures = {way for way in _ways(policies, "egress", "to") if {*way[:2]} <= parts}
    assert arrivals == departures


def test_parts_of_ones_own_are_reached_at_their_ports() -> None:
    manifests = render(CLOSED, values=CHART / "ci" / "external-everything-values.yaml")
    policies = list(of_kind(manifests, "NetworkPolicy").values())
    ways = set(_ways(policies, "egress", "to"))

    for way in (("crud", 6432), ("sync-git", 22), ("connector", 8083), ("sync-k8s", 9093)):
        assert (way[0], "0.0.0.0/0", way[1]) in ways
    assert not any(part in ("kafka", "postgres", "git-server") for part, _, _ in _ways(policies, "ingress", "from"))


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://git.example/x.git", 443),
        ("https://git.example:8443/x.git", 8443),
        ("ssh://git@git.example:2222/x.git", 2222),
        ("git@git.example:x.git", 22),
    ],
)
def test_the_port_is_found_in_the_repositorys_url(url: str, port: int) -> None:
    policies = _policies("git-server.enabled=false", f"global.git.url={url}", "global.git.existingSecret=s")

    assert ("sync-git", "0.0.0.0/0", port) in set(_ways(policies, "egress", "to"))


def test_the_dashboard_is_reached_by_whom_the_values_name_and_by_nobody_else() -> None:
    peer = "networkPolicies.dashboardFrom[0].namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name=ingress"

    ways = set(_ways(_policies(peer), "ingress", "from"))
    assert {(name, port) for part, name, port in ways if part == "ui" and port == 8501} == {("namespace ingress", 8501)}


def test_those_who_look_from_other_namespaces_get_in_where_they_are_used() -> None:
    keda = set(_ways(_policies("sync.k8s.autoscaling.engine=keda"), "ingress", "from"))
    argo = set(
        _ways(_policies("global.gitops.engine=argocd", "global.gitops.destination.namespace=team-a"), "ingress", "from")
    )

    assert ("kafka", "namespace keda", 9092) in keda
    assert ("git-server", "namespace argocd", 8080) in argo


def test_traces_get_out_to_their_receiver() -> None:
    ways = set(_ways(_policies("global.dapr.tracing.otel.endpoint=otel.monitoring:4317"), "egress", "to"))

    assert ("crud", "0.0.0.0/0", 4317) in ways


def test_crud_gets_out_to_the_issuers_whose_tokens_it_believes_and_to_none_without() -> None:
    issuer = "crud.access.issuers[0]"
    said = (f"{issuer}.issuer=https://id.example:8443", f"{issuer}.audiences[0]=rowcast")

    assert ("crud", "0.0.0.0/0", 8443) in set(_ways(_policies(*said), "egress", "to"))
    assert not [way for way in _ways(_policies(), "egress", "to") if way[0] == "crud" and way[2] in (443, 8443)]
