"""What is there when a release has gone: its data, and nothing else of it. It comes last, as the first release goes."""

from __future__ import annotations

import pytest

from cluster.pages import run_page
from cluster.release import Release
from rowcast_cluster.cluster import Cluster
from world import wait_until

# What every namespace has, what happened in it, and what the tests have made to reach the release.
FOREIGN = (
    "configmap/kube-root-ca.crt",
    "serviceaccount/default",
    "event",
    "podmetrics",
    "configmap/dapr-trust-bundle",
    "networkpolicy.networking.k8s.io/tests-of-",
)
OWN_DATA = {
    "persistentvolumeclaim/data-rowcast-postgres-0",
    "persistentvolumeclaim/data-rowcast-kafka-0",
    "persistentvolumeclaim/data-rowcast-git-server-0",
    "secret/rowcast-postgres",
    "pod/rowcast-check",
    "appconfig.rowcast.dev/kept",
}


@pytest.mark.timeout(900)
def test_what_stays_is_what_the_notes_say_and_goes_as_the_page_says(cluster: Cluster, release: Release) -> None:
    notes = cluster.run_helm("get", "notes", "rowcast", "--namespace", release.namespace)
    for row in list(release.table().values()):
        with release.api() as api:
            api.delete(f"/appconfigs/{row[0]}").raise_for_status()
    release.create("kept")
    release.settled()
    release.sidecar.close()

    run_page("uninstall", cluster.environment, part=slice(1), NAMESPACE=release.namespace)

    wait_until(lambda: left(cluster, release.namespace) == OWN_DATA, lambda: str(left(cluster, release.namespace)))
    assert of_the_cluster(cluster, release.namespace) == set()
    for name in (name.rpartition("/")[2] for name in OWN_DATA if not name.startswith("appconfig")):
        assert name in notes.rpartition("leaves")[2]
    assert "every AppConfig" in notes

    run_page("uninstall", {**cluster.environment, "NAMESPACE": release.namespace}, part=slice(1, None))
    wait_until(lambda: left(cluster, release.namespace) == set(), lambda: str(left(cluster, release.namespace)))


def left(cluster: Cluster, namespace: str) -> set[str]:
    """Every object of a namespace, of every type that there is."""
    types = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
    found = cluster.kubectl("get", ",".join(types), "--namespace", namespace, "--output=name").split()
    return {name for name in found if not name.startswith(FOREIGN)}


def of_the_cluster(cluster: Cluster, namespace: str) -> set[str]:
    """Every object outside of namespaces that Helm has made for the release."""
    types = cluster.kubectl("api-resources", "--namespaced=false", "--verbs=list", "--output=name").split()
    items = cluster.get(",".join(types))["items"]
    return {
        f"{item['kind']}/{item['metadata']['name']}"
        for item in items
        if item["metadata"].get("annotations", {}).get("meta.helm.sh/release-namespace") == namespace
    }
