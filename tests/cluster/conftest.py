"""The cluster that tests share: `cluster`, of one real node with Dapr's control plane, for the whole session."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster.apps import Namespace
from cluster.pages import run_page
from cluster.release import Release
from rowcast_cluster.cluster import Cluster
from rowcast_images.making import build
from rowcast_images.references import REGISTRY, version

CHECKOUT = Path(__file__).parents[2]


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """A cluster takes root and minutes: these tests run when they are asked for, as `./task test:cluster` does."""
    return None if any("cluster" in argument for argument in config.args) else True


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A `rowcast_cluster.cluster.Cluster`, ready to install things, removed without trace at the end.

    Useful: `cluster.load(archive)` gives it images (docker-archives; pull policy IfNotPresent or Never);
    `cluster.kubectl(…)` and `cluster.run_helm(…)` return what these print, `cluster.get("pods", "--all-namespaces")`
    parses it, and all raise ClusterError with the command's own words; `cluster.apply({…})`; `cluster.audit_log` is the
    API server's, a JSON line for each request. Tests take a namespace of their own (`namespace`). When the session
    ends, the logs of the node and of its pods are in `.test-logs/cluster`.
    """
    folder = Path(tempfile.mkdtemp(prefix="rowcast-cluster-"))
    running = Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        keep = CHECKOUT / ".test-logs" / "cluster"
        shutil.rmtree(keep, ignore_errors=True)
        running.save_logs(keep)
        running.stop()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace of the test's own, which ends with it."""
    made = Namespace.make(cluster)
    yield made
    made.delete()


@pytest.fixture(scope="session")
def images(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rowcast's images, built from this checkout and on the node, by the names that the chart has as its defaults."""
    archives = build(tag=version(), output=tmp_path_factory.mktemp("images"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(cluster.load, archives.values()))


@pytest.fixture(scope="session")
def install_page(cluster: Cluster, images: None) -> str:
    """What a reader of *Install in a cluster* sees; `release` is there afterwards."""
    return run_page("install-in-a-cluster", cluster.environment, NAMESPACE="rowcast-first", REGISTRY=REGISTRY)


@pytest.fixture(scope="session")
def release(cluster: Cluster, install_page: str) -> Iterator[Release]:
    """The one release that most tests share, installed as its page says, with the chart's own defaults."""
    with Release.of(cluster, "rowcast-first") as installed:
        installed.settled()  # the policy that lets the tests in is enforced a moment after it is there
        yield installed
