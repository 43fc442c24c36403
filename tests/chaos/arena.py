"""A whole platform whose links go through proxies that can be broken, and what looks at it from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos import orders, toxiproxy
from chaos.bursts import Bursts
from chaos.git_server import USER, GitServer
from chaos.load import Load
from chaos.places import Cluster, Repository, Table
from chaos.tap import Tap, tapping
from chaos.witness import ClusterWitness, HistoryWitness
from rowcast_local.assembly import Blueprint
from rowcast_local.broker import PART_OF
from rowcast_local.credentials import settle_credentials
from rowcast_local.parts.postgres import DATABASE, SERVING
from rowcast_local.platform import Platform
from rowcast_local.ports import HOST, free_ports, settle_ports
from world import World

LINKS = {
    "capture-postgres": "postgres",
    "crud-postgres": "postgres",
    "sync-k8s-apiserver": "kube-apiserver",
    "sync-git-git": "git-server",
    "everybody-broker": "broker",
}
"""Who is connected to what, by way of a proxy; `broker` is whichever part plays that role."""
OWN = ("toxiproxy", "bursts", "git-server", "tap", *(f"tap-{kind}" for kind in ("http", "grpc", "internal", "metrics")))
DISKS = {"repository": "platform/data/git", "mirror": "mirror"}
DISK_BYTES = 1 << 30
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
    order_files: orders.OrderFiles
    watched: Sequence[ClusterWitness]
    committed: Sequence[HistoryWitness]
    tap: Tap
    folder: Path
    ports: Mapping[str, int]
    disks: Mapping[str, Path]
    poison: set[str] = field(default_factory=set)
    """What is in the reason or the error of dead letters that the run itself has made."""
    repairs: list[Callable[[Arena], None]] = field(default_factory=list)
    """What has to be done by hand, in the end of a round, after what happened in it."""
    notes: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    """What faults themselves have found to be broken."""


@contextmanager
def arena(
    seed: int, per_second: float, binary: Path, keep_logs: Path, chosen: Mapping[str, Any] | None = None
) -> Iterator[Arena]:
    """A platform of its own in a temporary folder, ready, and destroyed in the end; its logs go to `keep_logs`.

    `chosen` is what it is asked for beyond the default: `broker`, `capture`.
    """
    chosen = chosen or {}
    folder = Path(tempfile.mkdtemp(prefix="rowcast-chaos-"))
    folder.chmod(0o711)  # as the platform's own folder: PostgreSQL's account passes through
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        disks = stack.enter_context(_disks(folder))
        ports, platform = _wire(folder, chosen)
        stack.callback(_end, platform, keep_logs)
        links = {name: (ports[name], ports[behind]) for name, behind in LINKS.items()}
        proxies = toxiproxy.running(binary, ports["toxiproxy"], links, folder / "toxiproxy.log")
        made = stack.enter_context(proxies)
        stack.callback(platform.stop)
        platform.start()
        bursts, server = _serve(stack, platform, ports, folder)
        platform.wait_ready()
        tap = stack.enter_context(tapping(platform, ports, folder))
        world, table = World(platform.env()), Table(platform.blueprint.postgres.url)
        orders.begin(world, table)
        folder_of_git = platform.blueprint.git_repository.folder
        order_files = orders.OrderFiles(folder_of_git)
        found = Arena(
            platform=platform,
            world=world,
            links=made,
            bursts=bursts,
            git_server=server,
            load=(load := _load(platform, seed, per_second)),
            table=table,
            cluster=(cluster := Cluster(platform)),
            repository=(repository := Repository(folder_of_git)),
            order_files=order_files,
            watched=(
                watched := (
                    ClusterWitness(cluster),
                    ClusterWitness(cluster, orders.ACCOUNTS, orders.marked),
                    ClusterWitness(cluster, orders.CONFIG_MAPS, orders.marked),
                )
            ),
            committed=(HistoryWitness(repository), HistoryWitness(order_files, orders.marked)),
            tap=tap,
            folder=folder,
            ports=ports,
            disks=disks,
        )
        for witness in watched:
            stack.callback(witness.close)
        stack.callback(load.stop)
        yield found


def _end(platform: Platform, keep_logs: Path) -> None:
    shutil.rmtree(keep_logs, ignore_errors=True)
    shutil.copytree(platform.state.logs, keep_logs)
    for log in platform.state.folder.parent.glob("*/log"):
        shutil.copyfile(log, keep_logs / f"{log.parent.name}.log")
    platform.destroy()


@contextmanager
def _disks(folder: Path) -> Iterator[dict[str, Path]]:
    """A disk each for the repository and the mirror, that can be full; none where only root could mount one."""
    made: dict[str, Path] = {}
    if os.geteuid() != 0 or sys.platform != "linux":
        yield made
        return
    try:
        for name, below in DISKS.items():
            disk = folder / below
            disk.mkdir(mode=0o711, parents=True)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0711", f"rowcast-chaos-{name}", str(disk)]
            if subprocess.run(mount, check=False, capture_output=True).returncode == 0:
                made[name] = disk
        yield made
    finally:
        for disk in made.values():
            subprocess.run(["umount", "--lazy", str(disk)], check=False, capture_output=True)


def _load(platform: Platform, seed: int, per_second: float) -> Load:
    blueprint = platform.blueprint
    return Load(blueprint.postgres.url, blueprint.sidecar("ui").url, seed, per_second)


def _wire(folder: Path, chosen: Mapping[str, Any]) -> tuple[dict[str, int], Platform]:
    """Chooses every port before anything starts, so that each part can be told of a proxy instead of its neighbour."""
    state = folder / "platform"
    bare = Platform(state, free_ports=True, **chosen)
    bare.state.create()
    ports = settle_ports(bare.state.ports, all_free=True)
    spare = (port for port in free_ports() if port not in ports.values())
    ports |= {name: next(spare) for name in (*LINKS, *OWN)} | {"broker": ports[PART_OF[bare.broker]]}
    return ports, Platform(state, free_ports=True, settings=_settings(folder, bare, ports), **chosen)


def _password_file(folder: Path) -> Path:
    file = folder / "git-password"
    file.write_text(PASSWORD)
    return file


def _settings(folder: Path, bare: Platform, ports: Mapping[str, int]) -> dict[str, dict[str, str]]:
    credentials = settle_credentials(bare.state.credentials)
    serving = credentials.database_serving
    behind = Blueprint(bare.toolbox, bare.state, ports, credentials, kind=bare.broker, capture=bare.capture).broker

    def by_proxy(address: str) -> str:
        return address.replace(f"{HOST}:{behind.port}", f"{HOST}:{ports['everybody-broker']}")

    broker = {name: by_proxy(value) for name, value in behind.environment.items()}
    database = {"ROWCAST_CAPTURE_DB_PORT": str(ports["capture-postgres"])}
    # What is lost shall be seen, not healed. A few deletions are a large share of a small table.
    sync = {"ROWCAST_RECONCILE_SECONDS": "0", "ROWCAST_RECONCILE_PRUNE_LIMIT": "1"}
    return {
        "kafka": {"ROWCAST_KAFKA_ADVERTISED_PORT": str(ports["everybody-broker"])},
        "connect": database,
        "capture": {**database, "ROWCAST_BROKER_URL": by_proxy(behind.url)},
        "crud": {
            "ROWCAST_DATABASE_URL": f"postgresql://{SERVING}:{serving}@{HOST}:{ports['crud-postgres']}/{DATABASE}"
        },
        "sync-k8s": {**sync, "KUBECONFIG": str(folder / "sync.kubeconfig")},
        "sync-git": {
            **sync,
            "ROWCAST_GIT_CACHE": str(folder / "mirror"),
            "ROWCAST_GIT_URL": f"http://{HOST}:{ports['sync-git-git']}/configurations.git",
            "ROWCAST_GIT_USERNAME": USER,
            "ROWCAST_GIT_PASSWORD_FILE": str(_password_file(folder)),
        },
        **{f"{app}-dapr": broker for app in ("crud", "sync-k8s", "sync-git", "capture")},
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
