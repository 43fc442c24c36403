"""What a bare node needs of its machine: Linux, root, and programs that come as Debian packages."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rowcast_cluster.errors import ClusterError
from rowcast_local.provision.progress import Progress

PLUGINS = Path("/usr/lib/cni")
ADMINISTRATION = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What is looked for, and the package that has it.
PACKAGES: Mapping[str, str] = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "unshare": "util-linux",
    "mount": "mount",
    str(PLUGINS / "ptp"): "containernetworking-plugins",
}


def search_path() -> str:
    """$PATH with the administrator's folders, which sudo and cron may leave out."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), ADMINISTRATION])


def check_machine() -> None:
    """Raises ClusterError unless this is Linux and we are root."""
    if platform.system() != "Linux":
        raise ClusterError("a bare node needs Linux: install Docker and kind here, or use another machine")
    if os.geteuid() != 0:
        raise ClusterError("a bare node needs root: run it by sudo, or install Docker and kind")


def provide_packages(progress: Progress, packages: Mapping[str, str] = PACKAGES) -> None:
    """Installs the Debian packages that are missing. Raises ClusterError with the command if that can't be."""
    wanted = missing(packages)
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise ClusterError(f"missing here: {', '.join(wanted)} (these are Debian's names); install them and try again")
    name = f"apt-get install {' '.join(wanted)}"
    progress.start(name)
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *wanted]
    if not (_apt(command) or (_apt(["apt-get", "update"]) and _apt(command))) or missing(packages):
        progress.fail(name)
        raise ClusterError(f"missing here: {', '.join(missing(packages))}; `{name}` did not bring them: run it by hand")
    progress.finish(name)


def missing(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """The packages that have something that this machine hasn't."""
    found = {package for program, package in packages.items() if shutil.which(program, path=search_path()) is None}
    return sorted(found)


def _apt(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
