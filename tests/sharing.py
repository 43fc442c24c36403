"""How workers (`-n`) share the tests: what shares servers stays together."""

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

PLATFORMS = ("tests/chaos/", "tests/browser/", "tests/e2e/", "tests/integration/local/", "tests/integration/way/")
"""What starts a platform, or much of one. The longest begins first, so that the workers end together."""


class Grouped(LoadScopeScheduling):  # type: ignore[misc]
    """Several workers (`-n`) never start the same servers twice: whatever shares them stays together.

    (`--dist loadgroup` would do, but its marks have no effect with pytest 9.2 and pytest-xdist 3.8.)
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(ON_THE_PLATFORM) and not path.startswith(OF_THEIR_OWN):
            return f"platform {brokers.name_of(nodeid)}"
        return TOGETHER.get(path) or next((shared for shared in SHARED if path.startswith(shared)), path)

    def _assign_work_unit(self, node: Any) -> None:
        """Every other worker begins with platforms, which want both cores; beside it runs what mostly waits."""
        begins = int(node.gateway.id.removeprefix("gw")) % 2 == 0
        units = self.workqueue.items()
        wanted = (unit for unit, tests in units if next(iter(tests)).startswith(PLATFORMS) is begins)
        if (unit := next(wanted, None)) is not None:
            self.workqueue.move_to_end(unit, last=False)
        super()._assign_work_unit(node)
