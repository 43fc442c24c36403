"""Dapr's control plane gives pods sidecars, and sidecars certificates, by which they know one another."""

from __future__ import annotations

import base64
import json
import socket
import ssl

import pytest

from cluster.apps import SIDECAR, Namespace
from rowcast_cluster.cluster import Cluster

INTERNAL_PORT = 50002


def only(caller: str, namespace: str) -> dict[str, object]:
    """A Configuration that lets nobody but `caller` in."""
    policy = {"appId": caller, "namespace": namespace, "trustDomain": "public", "defaultAction": "allow"}
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Configuration",
        "metadata": {"name": "only"},
        "spec": {"accessControl": {"defaultAction": "deny", "trustDomain": "public", "policies": [policy]}},
    }


def test_a_call_passes_both_sidecars_and_only_the_one_who_may_gets_through(namespace: Namespace) -> None:
    namespace.apply(only("friend", namespace.name))
    server = namespace.run_dapr("server", configuration="only")
    friend, stranger = namespace.run_dapr("friend"), namespace.run_dapr("stranger")
    url = f"{SIDECAR}/v1.0/invoke/server/method/hello"
    status, text = namespace.fetch(friend, url)
    assert status == 200, text
    heard = json.loads(text)
    assert heard["pod"] == server
    # What the server's sidecar says of the other, by its certificate.
    assert heard["headers"]["Dapr-Caller-App-Id"] == ["friend"]
    assert heard["headers"]["Dapr-Caller-Namespace"] == [namespace.name]
    status, text = namespace.fetch(stranger, url)
    assert status == 403, text


def test_a_sidecar_speaks_to_nobody_without_a_certificate_of_the_cluster(
    cluster: Cluster, namespace: Namespace
) -> None:
    pod = namespace.run_dapr("server")
    address = namespace.get("pod", pod)["status"]["podIP"]
    bundle = cluster.get("secret", "dapr-trust-bundle", "--namespace=dapr-system")
    context = ssl.create_default_context(cadata=base64.b64decode(bundle["data"]["ca.crt"]).decode())
    context.check_hostname = False
    with (
        socket.create_connection((address, INTERNAL_PORT), timeout=20) as plain,
        context.wrap_socket(plain) as secured,  # its own certificate is the cluster's, or this would fail
        pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"),
    ):
        secured.recv(1)


def test_a_restricted_namespace_takes_a_pod_with_its_sidecar(namespace: Namespace) -> None:
    namespace.kubectl("label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=restricted")
    pod = namespace.run_dapr("careful")
    containers = [status["name"] for status in namespace.get("pod", pod)["status"]["containerStatuses"]]
    assert sorted(containers) == ["daprd", "probe"]
