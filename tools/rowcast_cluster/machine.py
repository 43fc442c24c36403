"""What a bare node needs of its machine: Linux, root, and programs that come as Debian packages."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from rowcast_cluster.errors import ClusterError
from rowcast_local.provision import debian
from rowcast_local.provision.debian import search_path
from rowcast_local.provision.progress import Progress

__all__ = ["PACKAGES", "PLUGINS", "check_machine", "missing", "provide_packages", "search_path"]

PLUGINS = Path("/usr/lib/cni")
# What is looked for, and the package that has it.
PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ipset": "ipset",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "unshare": "util-linux",
    "mount": "mount",
    str(PLUGINS / "ptp"): "containernetworking-plugins",
}


def check_machine() -> None:
    """Raises ClusterError unless this is Linux and we are root."""
    if platform.system() != "Linux":
        raise ClusterError("a bare node needs Linux: install Docker and kind here, or use another machine")
    if os.geteuid() != 0:
        raise ClusterError("a bare node needs root: run it by sudo, or install Docker and kind")


def provide_packages(progress: Progress, packages: Mapping[str, str] = PACKAGES) -> None:
    """Installs the Debian packages that are missing. Raises ClusterError with the command if that can't be."""
    try:
        debian.provide(progress, packages)
    except debian.PackageError as error:
        raise ClusterError(str(error)) from error


def missing(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """The packages that have something that this machine hasn't."""
    return debian.missing(packages)
