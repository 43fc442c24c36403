"""A whole platform whose links go through proxies that can be broken, and what looks at it from outside."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos import toxiproxy
from chaos.bursts import Bursts
from chaos.git_server import USER, GitServer
from chaos.load import Load
from chaos.places import Cluster, Repository, Table
from chaos.witness import ClusterWitness, HistoryWitness
from rowcast_local.credentials import settle_credentials
from rowcast_local.parts.postgres import DATABASE, OWNER
from rowcast_local.platform import Platform
from rowcast_local.ports import HOST, free_ports, settle_ports
from world import World

LINKS = {
    "connect-postgres": "postgres",
    "crud-postgres": "postgres",
    "sync-k8s-apiserver": "kube-apiserver",
    "sync-git-git": "git-server",
    "everybody-kafka": "kafka",
}
"""Who is connected to what, by way of a proxy."""
OWN = ("toxiproxy", "bursts", "git-server")
PASSWORD = "chaos"


@dataclass
class Arena:
    """Everything that a fault or a check needs."""

    platform: Platform
    world: World
    links: toxiproxy.Links
    bursts: Bursts
    git_server: GitServer
    load: Load
    table: Table
    cluster: Cluster
    repository: Repository
    watched: ClusterWitness
    committed: HistoryWitness
    folder: Path


@contextmanager
def arena(seed: int, per_second: float, binary: Path, keep_logs: Path) -> Iterator[Arena]:
    """A platform of its own in a temporary folder, ready, and destroyed in the end; its logs go to `keep_logs`."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-chaos-"))
    platform: Platform | None = None
    try:
        with ExitStack() as stack:
            ports, platform = _wire(folder)
            links = {name: (ports[name], ports[behind]) for name, behind in LINKS.items()}
            made = stack.enter_context(
                toxiproxy.running(binary, ports["toxiproxy"], links, folder / "toxiproxy.log")
            )
            stack.callback(platform.stop)
            platform.start()
            bursts, server = _serve(stack, platform, ports, folder)
            platform.wait_ready()
            yield _look(stack, platform, made, bursts, server, folder, seed, per_second)
    finally:
        if platform is not None:
            shutil.rmtree(keep_logs, ignore_errors=True)
            if platform.state.logs.exists():
                shutil.copytree(platform.state.logs, keep_logs)
            platform.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def _wire(folder: Path) -> tuple[dict[str, int], Platform]:
    """Chooses every port before anything starts, so that each part can be told of a proxy instead of its neighbour."""
    state = folder / "platform"
    bare = Platform(state, free_ports=True)
    bare.state.create()
    ports = settle_ports(bare.state.ports, all_free=True)
    spare = (port for port in free_ports() if port not in ports.values())
    ports |= {name: next(spare) for name in (*LINKS, *OWN)}
    return ports, Platform(state, free_ports=True, settings=_settings(folder, bare, ports))


def _settings(folder: Path, bare: Platform, ports: Mapping[str, int]) -> dict[str, dict[str, str]]:
    owner = settle_credentials(bare.state.credentials).database_owner
    broker = {"ROWCAST_KAFKA": f"{HOST}:{ports['everybody-kafka']}"}
    # What is lost shall be seen, not healed.
    sync = {"ROWCAST_RECONCILE_SECONDS": "0"}
    return {
        "kafka": {"ROWCAST_KAFKA_ADVERTISED_PORT": str(ports["everybody-kafka"])},
        "connect": {"ROWCAST_CAPTURE_DB_PORT": str(ports["connect-postgres"])},
        "crud": {"ROWCAST_DATABASE_URL": f"postgresql://{OWNER}:{owner}@{HOST}:{ports['crud-postgres']}/{DATABASE}"},
        "sync-k8s": {**sync, "KUBECONFIG": str(folder / "sync.kubeconfig")},
        "sync-git": {
            **sync,
            "ROWCAST_GIT_URL": f"http://{USER}:{PASSWORD}@{HOST}:{ports['sync-git-git']}/configurations.git",
        },
        **{f"{app}-dapr": broker for app in ("crud", "sync-k8s", "sync-git")},
    }


def _serve(stack: ExitStack, platform: Platform, ports: Mapping[str, int], folder: Path) -> tuple[Bursts, GitServer]:
    server = platform.blueprint.kube_apiserver
    upstream = f"https://{HOST}:{ports['sync-k8s-apiserver']}"
    bursts = Bursts(upstream, server.certificate, server.folder / "apiserver.key", ports["bursts"])
    stack.enter_context(bursts.running())
    config = server.sync_kubeconfig.read_text().replace(server.url, f"https://{HOST}:{ports['bursts']}")
    draft = folder / "draft"
    draft.write_text(config)
    draft.rename(folder / "sync.kubeconfig")
    git = platform.blueprint.git_repository.folder
    repository = Repository(git)
    repository.git("config", "http.receivepack", "true")
    served = GitServer(git.parent, ports["git-server"], PASSWORD)
    stack.enter_context(served.running())
    return bursts, served


def _look(
    stack: ExitStack,
    platform: Platform,
    links: toxiproxy.Links,
    bursts: Bursts,
    server: GitServer,
    folder: Path,
    seed: int,
    per_second: float,
) -> Arena:
    blueprint = platform.blueprint
    table, cluster = Table(blueprint.postgres.url), Cluster(platform)
    repository = Repository(blueprint.git_repository.folder)
    watched = ClusterWitness(cluster)
    stack.callback(watched.close)
    load = Load(blueprint.postgres.url, blueprint.sidecar("ui").url, seed, per_second)
    stack.callback(load.stop)
    return Arena(
        platform,
        World(platform.env()),
        links,
        bursts,
        server,
        load,
        table,
        cluster,
        repository,
        watched,
        HistoryWitness(repository),
        folder,
    )
