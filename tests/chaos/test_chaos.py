"""The machine's short form: each kind of fault once, from a fixed seed. The long one is `./task chaos`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.arena import Arena, arena
from chaos.faults import broker, engine
from chaos.faults.fault import Fault
from chaos.faults.library import FAULTS
from chaos.rounds import Machine
from chaos.toxiproxy import binary
from leaving_out import leave_out

SEED = 1
LOGS = Path(__file__).parents[2] / ".chaos-logs"
ROUNDS = (
    ("kill sync-k8s", "kill sync-git"),
    ("kill sync-k8s-dapr", "kill crud"),
    ("kill broker",),
    ("kill postgres", "kill etcd"),
    ("kill capture", "freeze kube-apiserver"),
    ("freeze sync-git-dapr", "freeze sync-k8s"),
    ("cut crud-postgres", "slow sync-git-git"),
    ("cut everybody-broker", "reset sync-k8s-apiserver"),
    ("narrow capture-postgres", "API server answers 429"),
    ("API server answers 500", "a foreign pusher races"),
    ("full disk of the repository", "sync-k8s loses its rights"),
    ("full disk of the mirror", "poison among the events"),
    ("events repeated to sync-k8s", "events repeated to sync-git"),
    ("two instances of sync-k8s",),
    ("an admission policy denies", "connector restarted"),
    ("offsets rewound", "reconciles under load"),
    ("a webhook is down for some rows", "strangers commit odd files"),
    ("marks of objects changed by hand", "strangers forge trailers"),
    ("finalizers on what is deleted", "an update by a replication session"),
    ("a policy denies in 50 KB of words", "an update with the triggers disabled"),
)

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def place() -> Iterator[Arena]:
    with arena(SEED, per_second=10, binary=binary(), keep_logs=LOGS) as made:
        yield made


@pytest.fixture(scope="module")
def machine(place: Arena) -> Machine:
    made = Machine(place, SEED, print)
    made.begin()
    return made


@pytest.mark.parametrize("names", ROUNDS, ids=" + ".join)
def test_nothing_is_lost_stale_or_silent_under(names: tuple[str, ...], machine: Machine, place: Arena) -> None:
    faults = [shortened(FAULTS[name]) for name in names]
    possible = [fault for fault in faults if fault.impossible(place) is None]
    if not possible:
        leave_out("; ".join(str(fault.impossible(place)) for fault in faults))

    played = machine.play(possible)

    assert played.verdict.good, f"seed {SEED}\n{played.line()}\n" + "\n".join(played.verdict.lines())


def shortened(fault: Fault) -> Fault:
    least, most = fault.seconds
    return Fault(fault.name, fault.kind, fault.during, (least, min(most, 3)), fault.subject, fault.impossible)


def test_every_kind_of_fault_is_in_the_short_form_but_those_that_kafka_with_connect_does_not_have() -> None:
    elsewhere = {fault.kind for fault in (*engine.FAULTS, *broker.FAULTS)}

    tried = {FAULTS[name].kind for names in ROUNDS for name in names}

    assert tried == {fault.kind for fault in FAULTS.values()} - elsewhere
