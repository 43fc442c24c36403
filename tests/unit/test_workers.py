"""How several workers share the tests: each test once, and one platform at a time as long as there is anything else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from xdist.scheduler import loadscope

from sharing import Grouped

PLATFORMS = [
    f"tests/{path}::test_{number}"
    for path in ("chaos/test_chaos.py", "e2e/test_change_of_broker.py", "e2e/test_gitops.py", "e2e/test_traces.py")
    for number in range(4)
]
OTHERS = [
    f"tests/{path}::test_{number}"
    for path in ("unit/test_a.py", "unit/test_b.py", "integration/crud/test_c.py", "packaging/test_d.py")
    for number in range(4)
]


class Node:
    """A worker, as far as a scheduler sees it."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indexes: list[int]) -> None:
        assert not self.shutting_down
        self.given += indexes

    def shutdown(self) -> None:
        self.shutting_down = True


def shared(tests: list[str], workers: int, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each worker has run, one test after the other in turns."""
    monkeypatch.setattr(loadscope, "parse_tx_spec_config", lambda _: range(workers))
    config: Any = SimpleNamespace(option=SimpleNamespace(loadscopereorder=False))
    scheduler = Grouped(config)
    nodes = [Node(number) for number in range(workers)]
    for node in nodes:
        scheduler.add_node(node)
    for node in nodes:
        scheduler.add_node_collection(node, tests)
    scheduler.schedule()
    run: list[list[str]] = [[] for _ in nodes]
    while not scheduler.tests_finished or any(
        len(done) < len(node.given) for done, node in zip(run, nodes, strict=True)
    ):
        for done, node in zip(run, nodes, strict=True):
            if len(done) < len(node.given):
                index = node.given[len(done)]
                done.append(tests[index])
                scheduler.mark_test_complete(node, index)
    assert all(node.shutting_down for node in nodes)
    return run


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "tests", [PLATFORMS + OTHERS, OTHERS + PLATFORMS, PLATFORMS, OTHERS], ids=["p+o", "o+p", "p", "o"]
)
def test_each_test_is_run_once_whoever_runs_it(tests: list[str], workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(test for run in shared(tests, workers, monkeypatch) for test in run) == sorted(tests)


@pytest.mark.parametrize("tests", [PLATFORMS + OTHERS, OTHERS + PLATFORMS], ids=["p+o", "o+p"])
def test_two_workers_run_platforms_beside_what_starts_none(tests: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = shared(tests, 2, monkeypatch)
    assert (sorted(first), sorted(second)) == (sorted(PLATFORMS), sorted(OTHERS))
