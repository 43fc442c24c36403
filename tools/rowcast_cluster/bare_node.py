"""A node made of this machine's own parts, for one that has no Docker."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rowcast_cluster import cgroups
from rowcast_cluster.authority import Authority
from rowcast_cluster.commands import run
from rowcast_cluster.control_plane import ControlPlane
from rowcast_cluster.errors import ClusterError
from rowcast_cluster.images import NODE_IMAGES, Image
from rowcast_cluster.machine import check_machine, provide_packages, search_path
from rowcast_cluster.namespaces import Namespaces, open_namespaces
from rowcast_cluster.network import Network
from rowcast_cluster.objects import cluster_objects
from rowcast_cluster.worker import NODE, Worker
from rowcast_local.credentials import write_private
from rowcast_local.paths import State, short_hash
from rowcast_local.provision.progress import Progress
from rowcast_local.supervise import Supervisor

HIDDEN = (Path("/run"), Path("/var/lib"), Path("/var/log"))
CONTAINERD_NAMESPACE = "k8s.io"


@dataclass(frozen=True)
class BareNode:
    """The node whose files are all in `folder`; `binaries` gives its programs, by name, when they are needed."""

    folder: Path
    binaries: Callable[[], Mapping[str, Path]]
    progress: Progress

    @cached_property
    def state(self) -> State:
        """Its files."""
        return State(self.folder)

    @property
    def cgroup(self) -> str:
        """Its control groups' name, which no other cluster has."""
        return f"rowcast-{short_hash(str(self.folder))}"

    @property
    def supervisor(self) -> Supervisor:
        """What runs its programs."""
        return Supervisor(self.state)

    @property
    def images(self) -> tuple[Image, ...]:
        """What it needs to be of use, besides what every cluster has."""
        return NODE_IMAGES

    @property
    def namespaces(self) -> Namespaces | None:
        """Where it runs, or ran; None if it was never started."""
        file = self._namespaces_file
        return Namespaces.from_json(file.read_text()) if file.exists() else None

    @property
    def running(self) -> bool:
        """Whether it is there."""
        found = self.namespaces
        return found is not None and found.alive

    @property
    def network(self) -> Network:
        """Its addresses. Raises ClusterError if it isn't running."""
        return self._running().network

    @property
    def address(self) -> str:
        """Where this machine reaches it."""
        return self.network.node

    @property
    def kubeconfig(self) -> Path:
        """For its administrator."""
        return self.state.data / "authority" / "admin.kubeconfig"

    @property
    def audit_log(self) -> Path:
        """A line of JSON for each request to its API server."""
        return self.state.data / "control-plane" / "audit.log"

    def start(self) -> None:
        """Starts it and returns before it is ready. Raises ClusterError if this machine can't have it."""
        check_machine()
        if hidden := [path for path in HIDDEN if self.folder.is_relative_to(path)]:
            raise ClusterError(f"{self.folder} is in {hidden[0]}, which a node replaces: choose another folder")
        provide_packages(self.progress)
        if self.namespaces:
            self.stop()
        self.state.create()
        (self.folder / ".gitignore").write_text("*\n")
        cgroups.make_branch(self.cgroup)
        open_namespaces(self.state.data / "machine", self.state.logs / "boot.log", self._plan)
        self.supervisor.wait_running()

    def stop(self) -> None:
        """Removes it, with all that it ever made. Raises ClusterError if something doesn't go."""
        if not self.folder.exists():
            return
        check_machine()
        if found := self.namespaces:
            found.end()
        cgroups.remove_branch(self.cgroup)
        shutil.rmtree(self.state.sockets, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def objects(self) -> list[dict[str, Any]]:
        """What is to be applied to it before it is of use."""
        return cluster_objects(self.network, self.state.data / "volumes", NODE)

    def load(self, archive: Path) -> None:
        """Gives it the images of a docker-archive. Raises ClusterError if it doesn't take them."""
        self._images("import", archive)

    def tag(self, image: str, other: str) -> None:
        """Gives an image of its own a second name. Raises ClusterError if it has no such image."""
        self._images("tag", "--force", image, other)

    def save_logs(self, folder: Path) -> None:
        """Copies what its programs and its pods have said to `folder`."""
        for source in (self.state.logs, self.state.data / "worker" / "pod-logs"):
            if source.exists():
                shutil.copytree(source, folder / source.name, dirs_exist_ok=True)

    def enter(self, *command: str | Path) -> list[str]:
        """The command that runs `command` on the node, in its network and with its mounts."""
        return self._running().enter(*command)

    def _images(self, *command: str | Path) -> None:
        options = (f"--address={self._containerd_socket}", f"--namespace={CONTAINERD_NAMESPACE}")
        run(*self.enter(shutil.which("ctr", path=search_path()) or "ctr", *options, "images", *command))

    def _plan(self, found: Namespaces) -> list[str]:
        # Before anything runs there, so that it can be removed whatever happens next.
        write_private(self._namespaces_file, found.to_json())
        authority = Authority(self.state.data / "authority")
        plane = ControlPlane(self.binaries(), self.state.data / "control-plane", found.network, authority)
        worker = Worker(plane, self.state.data / "worker", self._containerd_socket, self.cgroup)
        programs = [*plane.programs(), *worker.programs()]
        authority.kubeconfig("admin", plane.url, "rowcast-admin", ["system:masters"])
        return [*self.supervisor.command(programs), "--nodaemon"]

    def _running(self) -> Namespaces:
        found = self.namespaces
        if found is None or not found.alive:
            raise ClusterError("no cluster here: start one with ./task cluster:up")
        return found

    @property
    def _namespaces_file(self) -> Path:
        return self.folder / "namespaces.json"

    @property
    def _containerd_socket(self) -> Path:
        return self.state.sockets / "containerd.sock"
