"""The ports of every part: one table of defaults, which `dapr.yaml` repeats, and the choice made for one platform."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

HOST = "127.0.0.1"

DEFAULT_PORTS: Mapping[str, int] = {
    "postgres": 15432,
    "kafka": 19092,
    "kafka-controller": 19093,
    "connect": 18083,
    "etcd": 12379,
    "etcd-peer": 12380,
    "kube-apiserver": 16443,
    "crud": 8100,
    "crud-dapr-http": 3510,
    "crud-dapr-grpc": 3511,
    "crud-dapr-internal": 3512,
    "crud-dapr-metrics": 3513,
    "sync-k8s": 8110,
    "sync-k8s-dapr-http": 3520,
    "sync-k8s-dapr-grpc": 3521,
    "sync-k8s-dapr-internal": 3522,
    "sync-k8s-dapr-metrics": 3523,
    "sync-git": 8120,
    "sync-git-dapr-http": 3530,
    "sync-git-dapr-grpc": 3531,
    "sync-git-dapr-internal": 3532,
    "sync-git-dapr-metrics": 3533,
    "capture": 8130,
    "capture-dapr-http": 3540,
    "capture-dapr-grpc": 3541,
    "capture-dapr-internal": 3542,
    "capture-dapr-metrics": 3543,
    "broker-redis": 16380,
    "rabbitmq": 15673,
    "rabbitmq-node": 15674,
    "rabbitmq-epmd": 14369,
    "nats": 14222,
    "redis": 16379,
    "argocd-repo-server": 18481,
    "argocd-repo-server-metrics": 18484,
    "argocd-application-controller": 18482,
    "git-http": 18490,
    "flux-source-controller": 18491,
    "flux-artifacts": 18492,
    "flux-kustomize-controller": 18493,
    "ui": 8501,
    "ui-dapr-http": 3500,
    "ui-dapr-grpc": 3501,
    "ui-dapr-internal": 3502,
    "ui-dapr-metrics": 3503,
}

FURTHER_PORTS: Mapping[str, int] = {
    "": 8140,
    "-dapr-http": 3550,
    "-dapr-grpc": 3551,
    "-dapr-internal": 3552,
    "-dapr-metrics": 3553,
}
"""Of the first further cluster's instance; each one after it has ten more."""


def wanted_ports(targets: Sequence[str] = ()) -> dict[str, int]:
    """The default ports of all parts, with those of further clusters."""
    further = {
        f"sync-{target}{kind}": port + 10 * number
        for number, target in enumerate(targets)
        for kind, port in FURTHER_PORTS.items()
    }
    return {**DEFAULT_PORTS, **further}


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection in TIME_WAIT doesn't make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports() -> Iterator[int]:
    """Endless free ports, no two the same, from below the range that the kernel gives to outgoing connections."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as seed:
        seed.bind((HOST, 0))
        start = seed.getsockname()[1]
    first, last = 10_100, 30_000
    span = last - first
    for step in range(span):
        candidate = first + (start * 37 + step) % span
        if is_free(candidate):
            yield candidate
    raise OSError("no free port on 127.0.0.1")


def choose_ports(wanted: Mapping[str, int], *, available: Callable[[int], bool] = is_free) -> dict[str, int]:
    """Each part's wanted port where `available` says so, else a free one."""
    spare = (port for port in free_ports() if port not in wanted.values())
    return {name: port if available(port) else next(spare) for name, port in wanted.items()}


def load_ports(file: Path, targets: Sequence[str] = ()) -> dict[str, int] | None:
    """The ports chosen before, or None; a file that lacks a part of today's table counts as none."""
    try:
        ports = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return ports if ports.keys() == wanted_ports(targets).keys() else None


def settle_ports(file: Path, *, all_free: bool, targets: Sequence[str] = ()) -> dict[str, int]:
    """The ports for a platform that is about to start, written to `file` so that later commands agree.

    Ports chosen before are kept while they are free; `all_free` takes no defaults, so that platforms don't meet.
    """
    before, wanted = load_ports(file, targets), wanted_ports(targets)
    if before is None and all_free:
        ports = choose_ports(wanted, available=lambda _: False)
    else:
        ports = choose_ports(before or wanted)
    file.write_text(json.dumps(ports, indent=1))
    return ports
