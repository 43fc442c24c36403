"""The node's control groups: one branch in every hierarchy of this machine."""

import os
import time
from contextlib import suppress
from pathlib import Path

from rowcast_cluster.errors import ClusterError

KINDS = ("cgroup", "cgroup2")
SECONDS = 30.0
POLL_SECONDS = 0.05


def hierarchies() -> list[Path]:
    """Where this machine has its control groups mounted: one place by version 2, several by version 1."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(fields[1]) for fields in lines if fields[2] in KINDS]


def make_branch(name: str) -> None:
    """Makes the group `name` in every hierarchy. Raises ClusterError if this machine doesn't let us."""
    for top in hierarchies():
        branch = top / name
        try:
            branch.mkdir(exist_ok=True)
        except OSError as error:
            raise ClusterError(f"cannot make control groups: {error}; a bare node can't run here") from error
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # By version 1 a new group has no processors and takes no process.
            if (branch / setting).exists() and (top / setting).exists():
                (branch / setting).write_text((top / setting).read_text())


def remove_branch(name: str) -> None:
    """Removes the group `name` with all below it, which no process may be in any more. Raises ClusterError."""
    deadline = time.monotonic() + SECONDS
    while left := [branch for top in hierarchies() if (branch := top / name).exists()]:
        for branch in left:
            for folder, _, _ in os.walk(branch, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
        if time.monotonic() > deadline:
            raise ClusterError(f"control groups are still in use: {', '.join(map(str, left))}")
        time.sleep(POLL_SECONDS)
