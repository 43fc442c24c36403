import io
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from rowcast_cluster.cluster import Cluster
from rowcast_cluster.errors import ClusterError
from rowcast_cluster.machine import check_machine, missing, provide_packages
from rowcast_cluster.namespaces import Namespaces, Process
from rowcast_cluster.network import Network
from rowcast_local.provision.progress import Progress


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="needs root: run it by sudo"):
        check_machine()


def test_elsewhere_than_on_linux_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(ClusterError, match="needs Linux: install Docker and kind"):
        check_machine()


def test_what_is_missing_is_told_by_the_name_of_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = {"no-such-program": "no-such-package", "sh": "dash"}
    assert missing(packages) == ["no-such-package"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"missing here: no-such-package .*install them"):
        provide_packages(Progress(Console(file=io.StringIO())), packages)


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    sleeping = subprocess.Popen(["sleep", "60"])
    found = Process.find(sleeping.pid)
    assert found is not None
    assert found.alive
    assert not Process(found.number, found.started - 1).alive
    sleeping.kill()
    sleeping.wait()
    assert not found.alive


def test_namespaces_come_back_from_their_text() -> None:
    namespaces = Namespaces(Process(12, 34), Process(11, 33), Network(5))
    assert Namespaces.from_json(namespaces.to_json()) == namespaces


def test_a_node_of_no_known_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWCAST_CLUSTER_NODE", "k3s")
    with pytest.raises(ClusterError, match="ROWCAST_CLUSTER_NODE is `k3s`: it can be `bare` or `kind`"):
        _ = Cluster(tmp_path / "none").running


def test_asking_for_a_cluster_that_is_not_there_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rowcast_cluster", "status"]
    environment = {**os.environ, "ROWCAST_CLUSTER": str(tmp_path / "none"), "ROWCAST_CLUSTER_NODE": "bare"}
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert asked.stderr == "✗ no cluster here: start one with ./task cluster:up\n"
    assert asked.stdout == ""
