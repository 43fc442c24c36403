"""From a commit that has been pushed to the resource that the real engine has applied, and to the row's stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import median, quantiles

from bench.watching import Cluster, cluster_watch
from rowcast_local.platform import Platform
from world import World, config, done, wait_until

PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Waits:
    """One interval, in seconds, as often as it was measured."""

    name: str
    seconds: list[float]

    def line(self) -> str:
        """For the table."""
        ordered = sorted(self.seconds)
        tail = quantiles(ordered, n=100, method="inclusive")[98] if len(ordered) > 1 else ordered[0]
        figures = f"{median(ordered):<8.2f} {tail:<8.2f} {ordered[0]:.2f} to {ordered[-1]:.2f}"
        return f"  {self.name:<36} {len(ordered):<5} {figures}"


def measure(platform: Platform, changes: int) -> Iterator[Waits]:
    """One row, changed again and again; the next change is made when the last one is told to be healthy."""
    world = World(platform.env())
    applied: list[float] = []
    told: list[float] = []
    cluster, namespace = Cluster.of(world.env["KUBECONFIG"]), world.env["ROWCAST_GITOPS_NAMESPACE"]
    with cluster_watch(cluster, namespace) as watcher, world.api() as api:
        row = done(api.post("/appconfigs", json=config("measured")))
        for number in range(changes):
            generation = number + 1
            if number:
                done(api.patch(f"/appconfigs/{row['id']}", json={"branch": f"release-{number}"}))
            key = (row["id"], generation)
            wait_until(lambda key=key: key in watcher.seen)  # type: ignore[misc]
            status = _healthy(world, row["id"], generation)
            pushed = datetime.fromisoformat(status["times"]["delivered"]).timestamp()
            applied.append(watcher.seen[key] - pushed)
            told.append(time.time() - pushed)
            time.sleep(PAUSE_SECONDS)
    yield Waits(f"{platform.gitops}: pushed to applied", applied)
    yield Waits(f"{platform.gitops}: pushed to `healthy` in crud", told)


def _healthy(world: World, row_id: int, generation: int) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}

    def arrived() -> bool:
        with world.api() as api:
            at_git = done(api.get(f"/appconfigs/{row_id}/status"))["targets"]["git"]
        found.update(at_git)
        return bool(at_git["stage"] == "healthy" and at_git["observed_generation"] == generation)

    wait_until(arrived)
    return found
