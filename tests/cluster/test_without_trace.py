"""A cluster leaves the machine as it was, and doesn't meet another one."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest

from cluster.apps import Namespace
from rowcast_cluster.bare_node import BareNode
from rowcast_cluster.cgroups import hierarchies
from rowcast_cluster.cluster import Cluster

SETTINGS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward")


def ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def machine() -> dict[str, object]:
    """What a node could have changed for the whole machine."""
    rules = ask("iptables-save").splitlines()
    return {
        "settings": {name: Path("/proc/sys", name).read_text() for name in SETTINGS},
        "rules": [line for line in rules if any(word in line for word in ("KUBE", "CNI", "10.23"))],
        "libraries": sorted(path.name for path in Path("/var/lib").iterdir()),
        "optional": sorted(path.name for path in Path("/opt").iterdir()),
    }


def traces(node: BareNode, interface: str, pods: str) -> list[str]:
    """What is there of the node: processes, mounts, interface, routes, control groups, folders."""
    marks = (str(node.folder), node.cgroup, str(node.state.sockets))
    seen = [line for line in Path("/proc/mounts").read_text().splitlines() if any(mark in line for mark in marks)]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_text() + (process / "cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        seen += [f"process {process.name}"] if any(mark in text for mark in marks) else []
    seen += [line for line in ask("ip", "-oneline", "link").splitlines() if f" {interface}@" in line]
    seen += [line for line in ask("ip", "route").splitlines() if pods in line]
    folders = [node.folder, node.state.sockets, *(top / node.cgroup for top in hierarchies())]
    return seen + [str(folder) for folder in folders if folder.exists()]


def test_a_second_cluster_works_beside_the_first_and_leaves_nothing(cluster: Cluster, namespace: Namespace) -> None:
    folder = Path(tempfile.mkdtemp(prefix="rowcast-second-"))
    before = machine()
    second = Cluster(folder)
    if not isinstance(second.node, BareNode):
        pytest.skip("a cluster of kind's is kind's to remove")
    try:
        second.start(with_dapr=False)
        other = Namespace.make(second)
        here, there = namespace.run("same"), other.run("same")
        assert namespace.ask(here, "/")["pod"] == here
        assert other.ask(there, "/")["pod"] == there
        assert second.address != cluster.address
        network = second.node.network
        known = (second.node, network.interface, str(network.pods))
        kinds = "\n".join(traces(*known))
        for expected in ("process", "@", str(network.pods), "cgroup", str(folder)):
            assert expected in kinds
    finally:
        second.stop()
    assert traces(*known) == []
    assert machine() == before
    assert namespace.ask(here, "/")["pod"] == here
