"""A cluster with Dapr's control plane, for the command line and for tests."""

import json
import os
import tempfile
import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rowcast_cluster import dapr
from rowcast_cluster.bare_node import BareNode
from rowcast_cluster.commands import run
from rowcast_cluster.errors import ClusterError
from rowcast_cluster.images import IMAGES, load_images
from rowcast_cluster.kind_node import KindNode, kind_works
from rowcast_cluster.node import Node
from rowcast_local.paths import CHECKOUT, cache_folder
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide_cluster

CHOICE = "ROWCAST_CLUSTER_NODE"
"""Names the variable that chooses between a `bare` node and one of `kind`'s."""
READY_SECONDS = 120.0
POLL_SECONDS = 0.2
KUBECTL_SECONDS = 300.0


def cluster_folder() -> Path:
    """`$ROWCAST_CLUSTER`, or `.rowcast-cluster` in the checkout."""
    chosen = os.environ.get("ROWCAST_CLUSTER")
    return Path(chosen).expanduser().resolve() if chosen else CHECKOUT / ".rowcast-cluster"


class Cluster:
    """One cluster, whose files are all in `folder`; as a context manager it starts, and ends without trace.

    Every method raises ClusterError if the cluster or its machine isn't as it must be.
    """

    def __init__(self, folder: Path, progress: Progress | None = None) -> None:
        self.folder = folder
        self._progress = progress or Progress()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.stop()

    @cached_property
    def programs(self) -> dict[str, Path]:
        """Where each program (kubectl, helm, daprd …) is; they are got if they are missing."""
        return provide_cluster(cache_folder(), self._progress, bare=not self._by_kind)

    @cached_property
    def node(self) -> Node:
        """The node: kind's where that works, else one made of this machine's own parts."""
        return KindNode(self.folder) if self._by_kind else BareNode(self.folder, lambda: self.programs, self._progress)

    @cached_property
    def _by_kind(self) -> bool:
        chosen = os.environ.get(CHOICE, "")
        if chosen not in ("", "bare", "kind"):
            raise ClusterError(f"{CHOICE} is `{chosen}`: it can be `bare` or `kind`, or left out")
        return chosen == "kind" or (not chosen and kind_works())

    @property
    def running(self) -> bool:
        """Whether it is there; it may still be on its way."""
        return self.node.running

    @property
    def kubeconfig(self) -> Path:
        """For its administrator."""
        return self.node.kubeconfig

    @property
    def audit_log(self) -> Path:
        """A line of JSON (audit.k8s.io/v1 Event, level Metadata) for each request to its API server."""
        return self.node.audit_log

    @property
    def address(self) -> str:
        """The node's address, by which this machine reaches it and its node ports."""
        return self.node.address

    @property
    def helm(self) -> Path:
        """Helm, of the pinned version."""
        return self.programs["helm"]

    @property
    def environment(self) -> dict[str, str]:
        """What kubectl, helm and the like need, in addition to the caller's own."""
        tools = [str(self.programs[name].parent) for name in ("kubectl", "helm")]
        direct = [os.environ.get("NO_PROXY", ""), self.address]
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "NO_PROXY": ",".join(filter(None, direct)),
            "PATH": os.pathsep.join([*tools, os.environ.get("PATH", os.defpath)]),
            "ROWCAST_CLUSTER_ADDRESS": self.address,
            "ROWCAST_CLUSTER_AUDIT_LOG": str(self.audit_log),
        }

    def start(self, *, with_dapr: bool = True) -> None:
        """Starts it, and returns when it is ready to install things. Nothing happens to one that runs.

        One that can't be started is removed again.
        """
        if self.running:
            return
        try:
            self._timed("node started", self.node.start)
            self._timed("API server", self._wait_for_api)
            if objects := self.node.objects():
                self.apply(*objects)
            self._timed("images", self._load_images)
            self._timed("node ready", self._wait_for_node)
            if with_dapr:
                self._timed("Dapr's control plane", self._install_dapr)
        except ClusterError as error:
            kept = Path(tempfile.mkdtemp(prefix="rowcast-cluster-logs-"))
            self.save_logs(kept)
            self.stop()
            raise ClusterError(f"{error}\n  (what the cluster said: {kept})") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Removes it with all that it ever made; no error if there is none."""
        self.node.stop()

    def kubectl(self, *arguments: str, text: str | None = None, seconds: float = KUBECTL_SECONDS) -> str:
        """What kubectl prints, as the cluster's administrator; `text` is its input."""
        return self._run(self.programs["kubectl"], *arguments, text=text, seconds=seconds)

    def get(self, *arguments: str) -> Any:
        """What `kubectl get … -o json` gives, parsed."""
        return json.loads(self.kubectl("get", *arguments, "--output=json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Applies objects, at the server's side."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--server-side", "--filename=-", text=json.dumps(listed))

    def run_helm(self, *arguments: str | Path, seconds: float = 2 * KUBECTL_SECONDS) -> str:
        """What helm prints, as the cluster's administrator."""
        return self._run(self.helm, *arguments, seconds=seconds)

    def load(self, archive: Path) -> None:
        """Gives the node the images of a docker-archive; pods use them with the pull policy IfNotPresent or Never."""
        self.node.load(archive)

    def tag(self, image: str, other: str) -> None:
        """Gives an image that the node has a second name."""
        self.node.tag(image, other)

    def save_logs(self, folder: Path) -> None:
        """Copies what the node's programs and its pods have said to `folder`, for after it is gone."""
        self.node.save_logs(folder)

    def _run(self, *command: str | Path, text: str | None = None, seconds: float) -> str:
        return run(*command, environment={**os.environ, **self.environment}, text=text, seconds=seconds)

    def _load_images(self) -> None:
        load_images((*self.node.images, *IMAGES), self.programs, self.load)

    def _wait_for_api(self) -> None:
        self._eventually(lambda: self.kubectl("get", "--raw=/readyz"))

    def _wait_for_node(self) -> None:
        self._eventually(lambda: self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s"))
        self.kubectl("rollout", "status", "deployment/coredns", "--namespace=kube-system", "--timeout=120s")

    def _install_dapr(self) -> None:
        self.run_helm(*dapr.install_arguments(str(self.programs["dapr-chart"])))

    def _eventually(self, attempt: Any) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                attempt()
            except ClusterError:
                if time.monotonic() > deadline or not self.running:
                    raise
            else:
                return
            time.sleep(POLL_SECONDS)

    def _timed(self, name: str, step: Any) -> None:
        self._progress.start(name)
        try:
            step()
        except BaseException:
            self._progress.fail(name)
            raise
        self._progress.finish(name)
