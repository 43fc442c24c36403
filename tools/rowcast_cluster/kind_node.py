"""A node that kind makes, where a Docker engine runs. (Written from kind's documentation; not run by us yet.)"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rowcast_cluster.commands import run
from rowcast_cluster.control_plane import AUDIT_POLICY
from rowcast_cluster.images import Image
from rowcast_local.paths import short_hash

READY = "180s"
AUDIT = "/var/log/kubernetes"
POLICY = "/etc/kubernetes/audit"


def kind_works() -> bool:
    """Whether there are kind and a Docker engine that answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class KindNode:
    """The node whose files are in `folder`; what kind calls standard and core is there already."""

    folder: Path

    @property
    def name(self) -> str:
        """The cluster's name, which no other one has."""
        return f"rowcast-{short_hash(str(self.folder))}"

    @property
    def running(self) -> bool:
        """Whether kind knows it."""
        return self.name in run("kind", "get", "clusters").split()

    @property
    def address(self) -> str:
        """Its container's address."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return run("docker", "inspect", "--format", form, f"{self.name}-control-plane").strip()

    @property
    def kubeconfig(self) -> Path:
        """For its administrator."""
        return self.folder / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """A line of JSON for each request to its API server."""
        return self.folder / "audit" / "audit.log"

    @property
    def images(self) -> tuple[Image, ...]:
        """None: kind's node has them."""
        return ()

    def start(self) -> None:
        """Creates it, and returns when it is ready."""
        for name in ("audit", "policy"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n")
        (self.folder / "policy" / "policy.yaml").write_text(yaml.safe_dump(AUDIT_POLICY))
        options = ("--name", self.name, "--kubeconfig", self.kubeconfig, "--wait", READY, "--config", "-")
        run("kind", "create", "cluster", *options, text=yaml.safe_dump(self._configuration()))

    def stop(self) -> None:
        """Deletes it and its files."""
        run("kind", "delete", "cluster", "--name", self.name, "--kubeconfig", self.kubeconfig)
        shutil.rmtree(self.folder, ignore_errors=True)

    def objects(self) -> list[dict[str, Any]]:
        """None: kind's node has them."""
        return []

    def load(self, archive: Path) -> None:
        """Gives it the images of a docker-archive."""
        run("kind", "load", "image-archive", archive, "--name", self.name, environment=os.environ)

    def tag(self, image: str, other: str) -> None:
        """Gives an image of its own a second name."""
        ctr = ("ctr", "--namespace=k8s.io", "images", "tag", "--force", image, other)
        run("docker", "exec", f"{self.name}-control-plane", *ctr)

    def save_logs(self, folder: Path) -> None:
        """Has kind export them."""
        run("kind", "export", "logs", folder, "--name", self.name)

    def _configuration(self) -> dict[str, Any]:
        arguments = {"audit-log-path": f"{AUDIT}/audit.log", "audit-policy-file": f"{POLICY}/policy.yaml"}
        mounts = [
            {"name": "audit", "hostPath": AUDIT, "mountPath": AUDIT, "readOnly": False, "pathType": "Directory"},
            {"name": "policy", "hostPath": POLICY, "mountPath": POLICY, "readOnly": True, "pathType": "Directory"},
        ]
        patch = {"kind": "ClusterConfiguration", "apiServer": {"extraArgs": arguments, "extraVolumes": mounts}}
        node = {
            "role": "control-plane",
            "kubeadmConfigPatches": [yaml.safe_dump(patch)],
            "extraMounts": [
                {"hostPath": str(self.folder / "audit"), "containerPath": AUDIT},
                {"hostPath": str(self.folder / "policy"), "containerPath": POLICY},
            ],
        }
        return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
