"""The node does what a cluster's node does, so that what other tests see is Rowcast's doing."""

from __future__ import annotations

import json

import pytest

from cluster.apps import PORT, Namespace
from rowcast_cluster.cluster import Cluster
from rowcast_cluster.errors import ClusterError


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
