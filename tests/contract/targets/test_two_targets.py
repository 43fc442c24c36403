"""Two targets of one kind at one place, by mistake: neither takes away or writes over what the other one has made."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from contract.targets.kubernetes_place import IN_FLIGHT, Kubernetes
from contract.targets.places import Git
from contract.targets.rows import deleted, saved
from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Failed, Target
from rowcast.core.render import Desired, of_target
from rowcast.core.row import RowKey, app_config
from rowcast.sync.targets.git import GitTarget
from rowcast.sync.targets.kubernetes import connect
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio


async def deliver(target: Target, name: str, desired: Desired) -> Outcome | Exception:
    result = (await target.deliver([of_target(desired, name)]))[desired.row]
    return result.error if isinstance(result, Failed) else result.outcome


async def test_what_one_cluster_target_has_made_stays_its_own_until_it_lets_go(api_server: Platform) -> None:
    place = Kubernetes(api_server.env())
    own = partial(connect, place.env["KUBECONFIG"], place.namespace, IN_FLIGHT, None)
    eu, us, plain = await own("k8s-eu"), await own("k8s-us"), await own()
    noticed: asyncio.Queue[RowKey] = asyncio.Queue()
    eu.listen(noticed.put_nowait)
    try:
        for target in (eu, us, plain):
            await target.start()
        assert await deliver(eu, "k8s-eu", saved(1, 1, "a")) is Outcome.CREATED

        for name, other in (("k8s-us", us), ("k8s", plain)):
            error = await deliver(other, name, saved(1, 2, "a"))
            assert isinstance(error, TransientError)
            assert str(error) == "appconfigs/a is of the target k8s-eu, which has to let go"
            assert list(await other.inventory()) == []
            assert await deliver(other, name, deleted(1, 3, "a")) is Outcome.UNCHANGED
        assert [held.row for held in await eu.inventory()] == [app_config(1)]

        # A label that somebody changes makes it nobody else's: it is put right by whose it was.
        place.kubectl("label", "appconfigs/a", "rowcast.dev/target=k8s-us", "--overwrite")
        async with asyncio.timeout(20):
            assert await noticed.get() == app_config(1)
        assert list(await us.inventory()) == []
        assert await deliver(eu, "k8s-eu", saved(1, 2, "a")) is Outcome.CONFIGURED
        labels = json.loads(place.kubectl("get", "appconfigs/a", "-o", "jsonpath={.metadata.labels}"))
        assert labels["rowcast.dev/target"] == "k8s-eu"

        assert await deliver(eu, "k8s-eu", deleted(1, 3, "a")) is Outcome.DELETED
        # What others do comes by its watch, or by reading anew; until then the row would wait and be tried again.
        assert list(await us.inventory()) == []
        assert await deliver(us, "k8s-us", saved(2, 1, "a")) is Outcome.CREATED
    finally:
        for target in (eu, us, plain):
            await target.close()


async def test_a_target_that_is_renamed_takes_up_what_is_given_its_new_name(api_server: Platform) -> None:
    place = Kubernetes(api_server.env())
    own = partial(connect, place.env["KUBECONFIG"], place.namespace, IN_FLIGHT, None)
    before, after = await own("k8s"), await own("k8s-eu")
    try:
        await before.start()
        assert await deliver(before, "k8s", saved(1, 1, "a")) is Outcome.CREATED
        await before.close()
        place.kubectl("label", "appconfigs", "--all", "rowcast.dev/target=k8s-eu")

        await after.start()
        assert await deliver(after, "k8s-eu", saved(1, 1, "a")) is Outcome.CREATED
        assert [held.row for held in await after.inventory()] == [app_config(1)]
    finally:
        await after.close()


async def test_the_files_of_one_repository_target_are_refused_to_another_by_name(tmp_path: Path) -> None:
    place = Git(tmp_path)
    eu, plain = (GitTarget(place.settings(target=name, cache=tmp_path / f"cache-{name}")) for name in ("git-eu", "git"))
    try:
        await eu.start()
        assert await deliver(eu, "git-eu", saved(1, 1, "a")) is Outcome.CREATED
        await plain.start()

        assert list(await plain.inventory()) == []
        error = await deliver(plain, "git", saved(1, 2, "a"))
        assert isinstance(error, PermanentError)
        assert str(error) == "environments/dev/appconfigs/a.yaml is of the target git-eu; it is left alone"
        await deliver(plain, "git", deleted(1, 3, "a"))
        assert place.observe()["a"].generation == 1

        assert await deliver(eu, "git-eu", saved(1, 2, "a")) is Outcome.CONFIGURED
        assert await deliver(eu, "git-eu", deleted(1, 3, "a")) is Outcome.DELETED
    finally:
        await eu.close()
        await plain.close()
