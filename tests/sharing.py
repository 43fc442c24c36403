"""How workers (`-n`) share the tests: what shares servers stays together, and no more than two start platforms."""

from __future__ import annotations

from typing import Any

from xdist.scheduler.loadscope import LoadScopeScheduling

import brokers

ON_THE_PLATFORM = ("tests/e2e/", "tests/integration/way/")
"""Folders whose tests share the platform, but for files that start what they need themselves."""
OF_THEIR_OWN = (
    "tests/e2e/test_change_of_broker.py",
    "tests/e2e/test_dapr_cli.py",
    "tests/e2e/test_docs.py",
    "tests/e2e/test_gitops.py",
    "tests/e2e/test_traces.py",
    "tests/integration/way/test_connect_refuses.py",
)
SHARED = (
    "tests/browser/",
    "tests/chaos/",
    "tests/cluster/",
    "tests/contract/targets/",
    "tests/integration/forge/",
    "tests/integration/kubernetes/",
)
TOGETHER = {"tests/integration/crud/test_login_at_keycloak.py": "tests/browser/"}
"""With whom a file shares what costs most: Keycloak."""
LIGHT = (
    "tests/alerts/",
    "tests/integration/crud/",
    "tests/integration/git/",
    "tests/packaging/",
    "tests/unit/",
)
"""What starts no platform: a third worker has these alone, beside two that do."""
PLATFORMS_AT_ONCE = 2
NICE = 10
"""How far that worker gives way to platforms, whose tests have limits of time."""


class Grouped(LoadScopeScheduling):  # type: ignore[misc]
    """Several workers (`-n`) never start the same servers twice: whatever shares them stays together.

    (`--dist loadgroup` would do, but its marks have no effect with pytest 9.2 and pytest-xdist 3.8.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(ON_THE_PLATFORM) and not path.startswith(OF_THEIR_OWN):
            return f"platform {brokers.name_of(nodeid)}"
        return TOGETHER.get(path) or next((shared for shared in SHARED if path.startswith(shared)), path)

    def _reschedule(self, node: Any) -> None:
        if is_beside(node.gateway.id) and self.workqueue and self._first(light=True) is None and not node.shutting_down:
            node.shutdown()
        else:
            super()._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        if self.numnodes > PLATFORMS_AT_ONCE:
            wanted = self._first(light=is_beside(node.gateway.id))
            if wanted is not None:
                self.workqueue.move_to_end(wanted, last=False)
        super()._assign_work_unit(node)

    def _first(self, *, light: bool) -> str | None:
        """The next unit of work of one kind, if there is one."""
        units = self.workqueue.items()
        return next((unit for unit, tests in units if all(test.startswith(LIGHT) for test in tests) is light), None)


def is_beside(worker: str) -> bool:
    """Whether a worker (`gw2`) is one of those that start no platform."""
    return int(worker.removeprefix("gw")) >= PLATFORMS_AT_ONCE
