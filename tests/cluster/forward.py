"""A pod's port on this machine, as `kubectl port-forward` brings it."""

from __future__ import annotations

import os
import subprocess
from types import TracebackType
from typing import Self

from rowcast_cluster.cluster import Cluster
from world import wait_until


class Forward:
    """Port `port` of a pod of `target`, which is opened again when its pod has gone."""

    def __init__(self, cluster: Cluster, namespace: str, target: str, port: int) -> None:
        self._cluster = cluster
        self._what = ("--namespace", namespace, "port-forward", "--address=127.0.0.1", target, f":{port}")
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it is now."""
        if self._process is None or self._process.poll() is not None:
            wait_until(self._open)
        return self._url

    def close(self) -> None:
        """Ends it; the next question for its URL opens it again."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _open(self) -> bool:
        self.close()
        kubectl = [str(self._cluster.programs["kubectl"]), *self._what]
        environment = {**os.environ, **self._cluster.environment}
        self._process = subprocess.Popen(
            kubectl, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout
        # Nothing is printed, and the output ends, when there is no pod to forward to.
        said = self._process.stdout.readline()
        if not said.startswith("Forwarding from"):
            return False
        self._url = f"http://{said.split()[2]}"
        return True
