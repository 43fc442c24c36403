"""Who is no part of Rowcast reaches none of its parts over the network: the node enforces the chart's policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cluster.apps import Namespace
from cluster.pages import CHECKOUT
from cluster.release import PART_OF, Release, from_namespace, let_in
from world import wait_until

CHART = CHECKOUT / "charts" / "rowcast"
DNS_PORT = 5353
"""Of the pods of the tests' cluster, as policies see it: behind the Service."""
pytestmark = pytest.mark.timeout(900)

NOT_THROUGH = ("connection refused", "timeout", "deadline exceeded", "no route to host", "unreachable")
CLOSED = {"kafka", "postgres", "git-server", "crud", "sync-git", "sync-k8s"}


@pytest.fixture(scope="module")
def stranger(release: Release) -> Iterator[tuple[Namespace, str]]:
    """A pod in a namespace of its own."""
    namespace = Namespace.make(release.cluster_of)
    yield namespace, namespace.run("stranger")
    namespace.delete()


@pytest.fixture(scope="module")
def neighbour(release: Release) -> Iterator[tuple[Namespace, str]]:
    """A pod in the release's own namespace, which is no part of it."""
    namespace = Namespace(release.cluster_of, release.namespace)
    yield namespace, namespace.run("neighbour")
    namespace.kubectl("delete", "deployment", "neighbour", "--wait=false")


def reached(release: Release, namespace: Namespace, pod: str) -> set[tuple[str, int]]:
    """(part, port) of every port that a running pod of the release says it has, if `pod` gets through to it."""
    found = set()
    for target in release.pods("--field-selector=status.phase=Running"):
        part, address = target["metadata"]["labels"]["app.kubernetes.io/component"], target["status"]["podIP"]
        for container in target["spec"]["containers"]:
            for port in (one["containerPort"] for one in container.get("ports", ())):
                status, said = namespace.fetch(pod, f"http://{address}:{port}/", Connection="close")
                if status or not any(words in said for words in NOT_THROUGH):
                    found.add((part, port))
    return found


@pytest.mark.parametrize("who", ["stranger", "neighbour"])
def test_nobody_but_its_parts_reaches_a_release_save_for_its_dashboard(
    release: Release, who: str, request: pytest.FixtureRequest
) -> None:
    namespace, pod = request.getfixturevalue(who)
    assert reached(release, namespace, pod) == {("ui", 8501)}


def test_it_is_the_policies_that_hold_a_stranger_off(release: Release, stranger: tuple[Namespace, str]) -> None:
    namespace, pod = stranger
    with let_in(release.cluster_of, release.namespace, "stranger", from_namespace(namespace.name)):
        wait_until(
            lambda: {part for part, _ in reached(release, namespace, pod)} >= CLOSED,
            lambda: str(reached(release, namespace, pod)),
        )


def test_the_way_of_a_change_is_open(release: Release) -> None:
    release.create("through-closed-networks")
    release.settled()
    assert release.cluster()["through-closed-networks"] == release.repository()["through-closed-networks"]


@pytest.fixture
def closed_both_ways(release: Release) -> Iterator[Release]:
    """The release with the way out closed as well, and its pods new: a connection that stands is not cut.

    No `helm upgrade` does it: that one's hook uses an account of its own, which another test would see.
    """
    open_ways, closed = policies(release, egress=False), policies(release, egress=True)
    change(release, closed)
    yield release
    change(release, open_ways)
    added = {one["metadata"]["name"] for one in closed} - {one["metadata"]["name"] for one in open_ways}
    release.kubectl("delete", "networkpolicy", *sorted(added))


def policies(release: Release, *, egress: bool) -> list[dict[str, Any]]:
    """Those that the chart gives this release."""
    settings = {
        "networkPolicies.egress": str(egress).lower(),
        "networkPolicies.dns.ports": f"{{{DNS_PORT}}}",
        "global.dapr.requireCrds": "false",
    }
    values = [f"--set={name}={value}" for name, value in settings.items()]
    which = ("--namespace", release.namespace, "--show-only=templates/networkpolicies.yaml")
    rendered = release.cluster_of.run_helm("template", "rowcast", CHART, *which, *values)
    return [one for one in yaml.safe_load_all(rendered) if one]


def change(release: Release, wanted: list[dict[str, Any]]) -> None:
    text = yaml.safe_dump_all(wanted)
    release.cluster_of.kubectl("apply", "--server-side", "--force-conflicts", "--filename=-", text=text)
    release.kubectl("rollout", "restart", "deployment", "--selector", PART_OF)
    release.wait_ready()
    wait_until(lambda: not any("deletionTimestamp" in pod["metadata"] for pod in release.pods()))
    release.sidecar.close()  # its pod has gone; the next question opens it again


def test_the_way_of_a_change_is_open_where_the_way_out_is_closed_as_well(closed_both_ways: Release) -> None:
    release = closed_both_ways
    release.create("out-of-closed-pods")
    release.settled()
    assert release.cluster()["out-of-closed-pods"] == release.repository()["out-of-closed-pods"]
