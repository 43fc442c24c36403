"""What a cluster asks of its node, whatever that is made of."""

from pathlib import Path
from typing import Any, Protocol

from rowcast_cluster.images import Image


class Node(Protocol):
    """One node with everything of Kubernetes on it. All may raise ClusterError."""

    @property
    def running(self) -> bool:
        """Whether it is there; it may still be on its way."""

    @property
    def address(self) -> str:
        """Where this machine reaches it."""

    @property
    def kubeconfig(self) -> Path:
        """For its administrator."""

    @property
    def audit_log(self) -> Path:
        """A line of JSON for each request to its API server."""

    @property
    def images(self) -> tuple[Image, ...]:
        """What it needs to be of use, besides what every cluster has."""

    def start(self) -> None:
        """Starts it, and may return before it is ready."""

    def stop(self) -> None:
        """Removes it, with all that it ever made; no error if it isn't there."""

    def objects(self) -> list[dict[str, Any]]:
        """What is to be applied to it before it is of use."""

    def load(self, archive: Path) -> None:
        """Gives it the images of a docker-archive."""

    def tag(self, image: str, other: str) -> None:
        """Gives an image of its own a second name."""

    def save_logs(self, folder: Path) -> None:
        """Copies what its programs and its pods have said to `folder`."""
