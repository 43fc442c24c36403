"""Pods of the probe's image, in a namespace of a test's own, and the questions that tests have them ask."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from rowcast_cluster.cluster import Cluster
from rowcast_cluster.images import PROBE
from world import wait_until

PORT = 8080
SIDECAR = "http://127.0.0.1:3500"


@dataclass(frozen=True)
class Namespace:
    """A namespace of `cluster`."""

    cluster: Cluster
    name: str

    @classmethod
    def make(cls, cluster: Cluster) -> Namespace:
        """A new one."""
        made = cls(cluster, f"test-{uuid4().hex[:8]}")
        cluster.kubectl("create", "namespace", made.name)
        return made

    def delete(self) -> None:
        """Ends it with all that is in it."""
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl prints."""
        return self.cluster.kubectl("--namespace", self.name, *arguments, text=text)

    def get(self, *arguments: str) -> Any:
        """What `kubectl get` gives, parsed."""
        return self.cluster.get(*arguments, "--namespace", self.name)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Applies objects, in this namespace."""
        placed = [{**item, "metadata": {**item["metadata"], "namespace": self.name}} for item in objects]
        self.cluster.apply(*placed)

    def run(self, app: str, *, annotations: dict[str, str] | None = None, **pod: Any) -> str:
        """Runs the probe as a Deployment; returns its pod's name once that is ready. `pod` adds to the pod's spec."""
        self.apply(deployment(app, annotations or {}, pod))
        self.kubectl("rollout", "status", f"deployment/{app}", "--timeout=120s")
        return str(self.get("pods", "--selector", f"app={app}")["items"][0]["metadata"]["name"])

    def run_dapr(self, app: str, configuration: str | None = None) -> str:
        """Runs the probe with a sidecar whose app id is `app`."""
        extra = {"dapr.io/config": configuration} if configuration else {}
        wanted = {"dapr.io/enabled": "true", "dapr.io/app-id": app, "dapr.io/app-port": str(PORT), **extra}
        return self.run(app, annotations=wanted)

    def ask(self, pod: str, path: str) -> Any:
        """What the probe of `pod` answers to a GET, through the API server."""
        return json.loads(self.cluster.kubectl("get", "--raw", self._proxy(pod, path)))

    def tell(self, pod: str, path: str, body: str) -> Any:
        """What it answers to a POST."""
        return json.loads(self.cluster.kubectl("create", "--raw", self._proxy(pod, path), "-f", "-", text=body))

    def fetch(self, pod: str, url: str, **headers: str) -> tuple[int, str]:
        """The status and the text that `pod` gets from `url`; status 0 and why, if it gets none."""
        wanted = {"method": "GET", "url": url, "headers": headers}
        got = self.tell(pod, "/probe/fetch", json.dumps(wanted))
        return got["status"], got.get("error") or got["body"]

    def reach(self, pod: str, url: str) -> Any:
        """What the probe at `url` answers to `pod`, once it does: a node learns of endpoints within some seconds."""
        got: list[tuple[int, str]] = []

        def answered() -> bool:
            got.append(self.fetch(pod, url))
            return got[-1][0] == 200

        wait_until(answered, lambda: str(got[-1]))
        return json.loads(got[-1][1])

    def _proxy(self, pod: str, path: str) -> str:
        return f"/api/v1/namespaces/{self.name}/pods/{pod}:{PORT}/proxy{path}"


def deployment(app: str, annotations: dict[str, str], pod: dict[str, Any]) -> dict[str, Any]:
    """One pod of the probe, kept running, as `restricted` wants it; volumes of `pod` are mounted at `/<their name>`."""
    mounts = [{"name": volume["name"], "mountPath": f"/{volume['name']}"} for volume in pod.get("volumes", [])]
    container = {
        "name": "probe",
        "image": PROBE,
        "imagePullPolicy": "Never",
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1},
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
    }
    labels = {"app": app}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 1,
            **pod,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, **pod.get("securityContext", {})},
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": app},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
