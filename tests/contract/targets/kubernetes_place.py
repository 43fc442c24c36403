"""A namespace of the real API server as a place, observed by kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from contract.targets.places import Seen, seen
from rowcast.core.plan import Held
from rowcast.core.ports import DriftListener, Result, Target
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import Inventory
from rowcast.core.render import Desired
from rowcast.core.row import RowKey
from rowcast.sync.targets.kubernetes import KubernetesTarget, connect

IN_FLIGHT = 8
NAMESPACES = "contract-"
"""How their names begin: nothing empties them, for the API server has no controllers that would."""


class Kubernetes:
    """A namespace of its own for each test."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self._kubeconfig = env["KUBECONFIG"]
        self._env = {**os.environ, **env}
        self.namespace = f"{NAMESPACES}{uuid.uuid4().hex[:10]}"
        self.kubectl("create", "namespace", self.namespace)

    def target(self) -> Target:
        return _Connected(self._kubeconfig, self.namespace)

    def observe(self) -> dict[str, Seen]:
        found = {item["metadata"]["name"]: seen(item) for item in self._list()["items"]}
        return {name: one for name, one in found.items() if one is not None}

    def version(self) -> object:
        return sorted(item["metadata"]["resourceVersion"] for item in self._list()["items"])

    def plant(self, name: str) -> None:
        spec = {"id": 999, "name": name, "repository_url": "https://theirs", "branch": "x", "environment": "dev"}
        manifest = {"apiVersion": "rowcast.dev/v1alpha1", "kind": "AppConfig", "metadata": {"name": name}, "spec": spec}
        self.kubectl("create", "-f", "-", stdin=json.dumps(manifest))

    def planted(self, name: str) -> bool:
        (item,) = [item for item in self._list()["items"] if item["metadata"]["name"] == name]
        return bool(item["spec"]["repository_url"] == "https://theirs" and "labels" not in item["metadata"])

    def _list(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.kubectl("get", "appconfigs", "-o", "json"))
        return answer

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        ran = subprocess.run(command, env=self._env, input=stdin, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


class _Connected:
    """Connects at its start, since that is when the event loop of the test is there."""

    name = "k8s"

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self._place = (kubeconfig, namespace)
        self._target: KubernetesTarget | None = None
        self._listener: DriftListener | None = None

    def expect(self, desired: Desired) -> Sequence[Held]:
        return self._started.expect(desired)

    def known(self, row: RowKey) -> Sequence[Held]:
        return self._started.known(row)

    def listen(self, listener: DriftListener) -> None:
        self._listener = listener

    async def start(self) -> None:
        self._target = await connect(*self._place, IN_FLIGHT)
        if self._listener is not None:
            self._target.listen(self._listener)
        await self._target.start()

    async def close(self) -> None:
        await self._started.close()

    async def check(self) -> None:
        await self._started.check()

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        return await self._started.deliver(batch)

    async def inventory(self) -> Inventory:
        return await self._started.inventory()

    async def preview(self, desired: Desired) -> Preview:
        return await self._started.preview(desired)

    async def live(self, row: RowKey) -> Shown | None:
        return await self._started.live(row)

    @property
    def _started(self) -> KubernetesTarget:
        assert self._target is not None, "start() comes first"
        return self._target
