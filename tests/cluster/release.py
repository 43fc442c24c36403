"""Rowcast in a namespace of a cluster, seen from outside: its table, its custom resources, its repository, its pods."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg2

from cluster.forward import Forward
from rowcast_cluster.cluster import Cluster
from rowcast_cluster.errors import ClusterError
from world import World

READY_SECONDS = 420
"""How long a release may take to settle, or a pod to be ready, before a test gives up."""
LOOK_SECONDS = 0.5
PART_OF = "app.kubernetes.io/part-of=rowcast"
RESTRICTED = ("pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
WORKLOADS = "deployments,statefulsets"


@dataclass(frozen=True)
class Database:
    """A release's database and its owner, both `name`, in the PostgreSQL of `namespace`; `secret` is the release's."""

    name: str
    secret: str
    namespace: str


def secret_of(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    """What a secret has at a key."""
    data = cluster.get("secret", name, "--namespace", namespace)["data"]
    return base64.b64decode(data[key]).decode()


@contextmanager
def let_in(cluster: Cluster, namespace: str, name: str, peer: dict[str, Any]) -> Iterator[None]:
    """A policy of the tests' own: `peer` of a NetworkPolicy reaches every pod of a release while the context lasts."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": dict([PART_OF.split("=")])},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [peer]}],
        },
    }
    cluster.apply(policy)
    try:
        yield
    finally:
        cluster.kubectl("delete", "networkpolicy", name, "--namespace", namespace, "--ignore-not-found")


def from_namespace(name: str) -> dict[str, Any]:
    """All pods of a namespace, as a peer."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def address_here(cluster: Cluster) -> str:
    """This machine's, as the node and its pods see it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.connect((cluster.address, 9))  # sends nothing: it only chooses the address that we have on the way there
        return str(unused.getsockname()[0])


def from_here(cluster: Cluster) -> dict[str, Any]:
    """This machine, as a peer: the tests look into PostgreSQL and the repository from outside of the cluster."""
    return {"ipBlock": {"cidr": f"{address_here(cluster)}/32"}}


@dataclass(frozen=True)
class Release(World):
    """What is installed in `namespace`; its objects' names begin with `rowcast`. `secrets` are those of its parts."""

    cluster_of: Cluster
    namespace: str
    sidecar: Forward
    secrets: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def of(
        cls,
        cluster: Cluster,
        namespace: str,
        *,
        git_secret: str = "rowcast-git-server",
        database: Database | None = None,
    ) -> Iterator[Release]:
        """The release in this namespace, for as long as the context lasts."""

        def address(service: str, place: str = namespace) -> str:
            return str(cluster.get("service", service, "--namespace", place)["spec"]["clusterIP"])

        def secret(name: str, key: str) -> str:
            return secret_of(cluster, namespace, name, key)

        where = database or Database("rowcast", "rowcast-postgres", namespace)
        owner = f"{where.name}:{secret(where.secret, 'password')}"
        server = f"{owner}@{address('rowcast-postgres', where.namespace)}:5432/{where.name}"
        repository = f"rowcast:{secret(git_secret, 'password')}@{address('rowcast-git-server')}:8080/rowcast.git"
        environment = {
            **cluster.environment,
            "ROWCAST_NAMESPACE": namespace,
            "ROWCAST_DATABASE_URL": f"postgresql://{server}?connect_timeout=5",
            "ROWCAST_GIT_URL": f"http://{repository}",
        }
        tokens = {name: secret(f"rowcast-dapr-{name}-token", "token") for name in ("api", "app")}
        with ExitStack() as stack:
            for place in {namespace, where.namespace}:
                stack.enter_context(let_in(cluster, place, f"tests-of-{namespace}", from_here(cluster)))
            sidecar = stack.enter_context(Forward(cluster, namespace, "deployment/rowcast-ui", 3500))
            yield cls(environment, cluster, namespace, sidecar, tokens)

    def api(self, person: str = "alice") -> httpx.Client:
        """The way of the dashboard: its sidecar, with its token, invokes crud's."""
        return self.client(self.sidecar.url, **{"dapr-app-id": "crud", "x-rowcast-user": person})

    def client(self, url: str, **headers: str) -> httpx.Client:
        """A client of a sidecar, which shows it the token that applications have."""
        headers = {"dapr-api-token": self.secrets["api"], **headers}
        return httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False)

    def get(self, *arguments: str) -> Any:
        """What `kubectl get` gives in its namespace, parsed."""
        return self.cluster_of.get(*arguments, "--namespace", self.namespace)

    def pods(self, *arguments: str) -> list[dict[str, Any]]:
        """Its pods."""
        items: list[dict[str, Any]] = self.get("pods", "--selector", PART_OF, *arguments)["items"]
        return items

    def workloads(self) -> list[str]:
        """Its Deployments and StatefulSets, as kubectl names them."""
        found = self.kubectl("get", WORKLOADS, "--selector", PART_OF, "--output=name")
        return found.split()

    def wait_ready(self, *workloads: str) -> None:
        """Returns when these, or all, have rolled out and are ready."""
        for workload in workloads or self.workloads():
            arguments = ("rollout", "status", workload, f"--timeout={READY_SECONDS}s", "--namespace", self.namespace)
            self.cluster_of.kubectl(*arguments, seconds=READY_SECONDS + 10)

    def dead_letters(self) -> list[dict[str, Any]]:
        """Those that nobody has dealt with."""
        with self.api() as api:
            items: list[dict[str, Any]] = api.get("/deadletters").raise_for_status().json()["items"]
        return items

    @contextmanager
    def clone(self) -> Iterator[Path]:
        """A fresh clone of the repository, over HTTP with the release's own login."""
        with tempfile.TemporaryDirectory() as folder:
            command = ["git", "clone", "--quiet", self.env["ROWCAST_GIT_URL"], folder]
            environment = {**os.environ, "no_proxy": "*", "GIT_TERMINAL_PROMPT": "0"}
            subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)
            yield Path(folder)

    def settled(self) -> None:
        """Returns when table, cluster and repository hold the same, and shows the difference if they never do."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            trouble: Exception | None = None
            try:
                table = self.table()
                if table == self.cluster() and table == self.repository():
                    return
            except (OSError, httpx.HTTPError, subprocess.SubprocessError, psycopg2.Error, ClusterError) as error:
                trouble = error
            assert time.monotonic() < deadline, trouble or self.difference()
            time.sleep(LOOK_SECONDS)  # between two looks; what they see decides
