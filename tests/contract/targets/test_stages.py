"""How far a row's objects are beyond their delivery, by the real API server's events; controllers are played here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tenacity import AsyncRetrying, stop_after_delay, wait_fixed

from contract.targets.kubernetes_place import IN_FLIGHT, Kubernetes
from contract.targets.rows import saved
from contract.targets.test_rows_of_any_table import config, quota, row
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, News
from rowcast.core.render import ResourceType
from rowcast.core.row import RowKey
from rowcast.sync.targets.kubernetes import KubernetesTarget, connect
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio
DEPLOYMENT = ResourceType("apps", "v1", "", "Deployment")
ROLLED_OUT = [
    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    {"type": "Available", "status": "True"},
]
TIMED_OUT = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]
ROW = RowKey("tenants", "web")


class Stages:
    """What a target has told of its rows."""

    def __init__(self) -> None:
        self.news: list[News] = []

    @property
    def of_rows(self) -> dict[RowKey, tuple[int, str | None, str | None]]:
        return {one.row: (one.generation, one.result.stage, one.result.stage_error) for one in self.news}

    async def until(self, *expected: Any) -> None:
        async for attempt in AsyncRetrying(stop=stop_after_delay(20), wait=wait_fixed(0.05), reraise=True):
            with attempt:
                assert self.of_rows.get(ROW) == expected


Start = Callable[[], Any]


@pytest.fixture
def place(api_server: Platform) -> Kubernetes:
    return Kubernetes(api_server.env())


@pytest.fixture
async def start(place: Kubernetes) -> AsyncIterator[Start]:
    """Starts a target, and another one after it."""
    running: list[KubernetesTarget] = []

    async def started() -> tuple[KubernetesTarget, Stages]:
        while running:
            await running.pop().close()
        target, stages = await connect(place.env["KUBECONFIG"], place.namespace, IN_FLIGHT), Stages()
        running.append(target)
        target.tell(stages.news.extend)
        await target.start()
        return target, stages

    yield started
    for target in running:
        await target.close()


def deployment(name: str, image: str = "nginx:1") -> Any:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return (DEPLOYMENT, name, {"spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}})


def control(place: Kubernetes, conditions: list[dict[str, str]], generation: int = 1) -> None:
    """As the controller of deployments would write what it has seen."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 1)
    status = {**counts, "observedGeneration": generation, "conditions": conditions}
    patch = json.dumps({"status": status})
    place.kubectl("patch", "deployment", "web", "--subresource=status", "--type=merge", "-p", patch)


async def delivered(target: KubernetesTarget, desired: Any) -> Delivered:
    result = (await target.deliver([desired]))[desired.row]
    assert isinstance(result, Delivered), result
    return result


async def test_a_row_is_synced_then_healthy_or_failed_as_its_objects_are(place: Kubernetes, start: Start) -> None:
    target, stages = await start()
    first = await delivered(target, row("web", 1, config("web"), deployment("web")))
    assert (first.stage, first.stage_error) == ("synced", "Deployment/web: 0 of 1 replicas")
    control(place, ROLLED_OUT)
    await stages.until(1, "healthy", None)
    control(place, TIMED_OUT)
    await stages.until(1, "failed", "Deployment/web: timed out")

    told = len(stages.news)
    second = await delivered(target, row("web", 2, config("web"), deployment("web", "nginx:2")))
    assert (second.stage, second.stage_error) == (
        "synced",
        "Deployment/web: its controller has seen generation 1, not 2 yet",
    )
    control(place, ROLLED_OUT, 2)
    await stages.until(2, "healthy", None)
    assert len(stages.news) == told + 1, "the delivery has told its own"


async def test_after_a_restart_the_stages_of_all_rows_are_told(place: Kubernetes, start: Start) -> None:
    target, _ = await start()
    await delivered(target, row("web", 3, deployment("web")))
    control(place, ROLLED_OUT)

    _, stages = await start()

    await stages.until(3, "healthy", None)


async def test_an_object_that_somebody_deleted_is_missed(place: Kubernetes, start: Start) -> None:
    target, stages = await start()
    await delivered(target, row("web", 1, config("web"), config("more")))
    place.kubectl("delete", "configmap", "more")
    await stages.until(1, "synced", "1 of 2 objects are there")


async def test_the_expression_of_a_declaration_is_carried_by_the_object(place: Kubernetes, start: Start) -> None:
    target, stages = await start()
    wanted = row("web", 1, quota("web", "3"), ready="self.status.hard.pods == self.spec.hard.pods")
    first = await delivered(target, wanted)
    assert (first.stage, 'Key not found in map : "hard"' in (first.stage_error or "")) == ("synced", True)

    patch = '{"status": {"hard": {"pods": "3"}}}'
    place.kubectl("patch", "resourcequota", "web", "--subresource=status", "--type=merge", "-p", patch)

    await stages.until(1, "healthy", None)
    again = await delivered(
        target, row("web", 1, quota("web", "3"), ready="self.status.hard.pods == self.spec.hard.pods")
    )
    assert (again.outcome, again.stage) == (Outcome.UNCHANGED, "healthy")


async def test_a_configuration_is_healthy_with_its_delivery_and_nothing_more_is_told(start: Start) -> None:
    target, stages = await start()
    told = await target.deliver([saved(row_id, 1, f"cfg-{row_id}") for row_id in range(1, 9)])
    assert {one.stage for one in told.values() if isinstance(one, Delivered)} == {"healthy"}
    await delivered(target, row("web", 1, config("web")))
    await delivered(target, row("web", 2, config("web", of="another")))

    _, after = await start()
    await after.until(2, "healthy", None)
    assert stages.news == [], "a delivery tells its own stage"
    assert [one.row for one in after.news] == [ROW], "a configuration has no other"
