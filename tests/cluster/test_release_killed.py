"""Each pod is killed while people work, one after another, as a failing node would: nothing is lost."""

from __future__ import annotations

import pytest

from cluster.load import Load
from cluster.release import PART_OF, Release

BETWEEN = 20
"""Changes that come through after each kill, before the next one."""


@pytest.mark.timeout(2400)
def test_whatever_pod_is_killed_under_load_nothing_is_lost(release: Release) -> None:
    killed = []
    with Load(release, "killed") as load:
        load.more(BETWEEN)
        for workload in release.workloads():
            for pod in pods_of(release, workload):
                release.kubectl("delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
                killed.append(workload)
            load.more(BETWEEN)
            release.wait_ready(workload)

    release.settled()
    assert len(set(killed)) == 8
    assert load.lost() == {}
    assert release.dead_letters() == []


def pods_of(release: Release, workload: str) -> list[str]:
    labels = release.get(workload)["spec"]["selector"]["matchLabels"]
    selector = ",".join([PART_OF, *(f"{name}={value}" for name, value in labels.items())])
    return [pod["metadata"]["name"] for pod in release.pods("--selector", selector)]
