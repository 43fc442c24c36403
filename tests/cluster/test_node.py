"""The node does what a cluster's node does, so that what other tests see is Rowcast's doing."""

from __future__ import annotations

import json

import pytest

from cluster.apps import PORT, Namespace
from rowcast_cluster.cluster import Cluster
from rowcast_cluster.errors import ClusterError
from world import wait_until


def service(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]},
    }


def test_a_pod_runs_and_its_log_can_be_read(namespace: Namespace) -> None:
    pod = namespace.run("alone")
    assert namespace.ask(pod, "/hello")["pod"] == pod
    assert "listening" in namespace.kubectl("logs", pod)


def test_pods_find_a_service_by_its_name_and_reach_the_pod_behind_it(namespace: Namespace) -> None:
    namespace.apply(service("server"))
    client, server = namespace.run("client"), namespace.run("server")
    address = namespace.get("service", "server")["spec"]["clusterIP"]
    assert namespace.ask(client, f"/probe/resolve?name=server.{namespace.name}.svc.cluster.local") == {
        "addresses": [address]
    }
    assert namespace.reach(client, "http://server/hello")["pod"] == server


def test_a_pod_reaches_itself_by_its_own_service(namespace: Namespace) -> None:
    namespace.apply(service("server"))
    pod = namespace.run("server")
    assert namespace.reach(pod, "http://server/hello")["pod"] == pod


def test_a_network_policy_holds_off_whom_it_does_not_name(namespace: Namespace) -> None:
    server, friend, stranger = (namespace.run(app) for app in ("server", "friend", "stranger"))
    url = f"http://{namespace.get('pod', server)['status']['podIP']}:{PORT}/hello"
    # A connection that stands already is not cut by a new policy.
    assert {namespace.fetch(pod, url, Connection="close")[0] for pod in (friend, stranger)} == {200}

    namespace.apply(closed("server", "friend"))
    wait_until(lambda: namespace.fetch(stranger, url, Connection="close")[0] == 0, lambda: "a stranger gets through")
    assert namespace.fetch(friend, url, Connection="close")[0] == 200


def closed(server: str, friend: str) -> dict[str, object]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": {
            "podSelector": {"matchLabels": {"app": server}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": friend}}}]}],
        },
    }


def test_a_claim_is_bound_and_a_pod_that_is_not_root_writes_to_it(namespace: Namespace) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    namespace.apply(claim)
    pod = namespace.run(
        "store",
        securityContext={"runAsUser": 10001, "runAsGroup": 10001, "runAsNonRoot": True, "fsGroup": 10001},
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    )
    assert namespace.get("persistentvolumeclaim", "data")["status"]["phase"] == "Bound"
    assert namespace.tell(pod, "/probe/file?path=/data/written", "kept") == {"written": 4}


def test_a_restricted_namespace_refuses_a_pod_that_is_not(namespace: Namespace) -> None:
    namespace.kubectl("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "careless"},
        "spec": {"containers": [{"name": "careless", "image": "any"}]},
    }
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        namespace.apply(pod)


def test_every_request_is_in_the_audit_log_with_who_made_it(cluster: Cluster, namespace: Namespace) -> None:
    namespace.kubectl("create", "configmap", "noted")
    events = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    noted = [
        (event["user"]["username"], event["verb"])
        for event in events
        if event.get("objectRef", {}).get("name") == "noted"
    ]
    assert noted == [("rowcast-admin", "create")]
