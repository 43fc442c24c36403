"""Rows that render to several objects of any kinds, at every kind of target."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.rows import deleted, saved
from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, Target
from rowcast.core.reconcile import Comparison
from rowcast.core.render import KEY, ON_DELETE, Desired, Manifest, ResourceType, labels_of
from rowcast.core.row import RowKey
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio
MAP, QUOTA = ResourceType("", "v1", "", "ConfigMap"), ResourceType("", "v1", "", "ResourceQuota")
Object = tuple[ResourceType, str, dict[str, Any]]
ROLE = ResourceType("rbac.authorization.k8s.io", "v1", "", "Role")


@pytest.fixture
def place(platform: Platform) -> Kubernetes:
    return Kubernetes(platform.env())


@pytest.fixture
async def target(place: Kubernetes) -> AsyncIterator[Target]:
    target = place.target()
    await target.start()
    yield target
    await target.close()


def row(
    key: str, generation: int, *objects: tuple[ResourceType, str, dict[str, Any]], lsn: int = 0, **how: Any
) -> Desired:
    """A row of the renderer `tenants` as it is to be."""
    owner = RowKey("tenants", key)
    lsn = lsn or 10 * generation
    annotations = {
        "rowcast.dev/generation": str(generation),
        "rowcast.dev/lsn": str(lsn),
        "rowcast.dev/updated-by": "ann",
        KEY: key,
    }
    if how.get("delete") == "retain":
        annotations[ON_DELETE] = "retain"
    made = []
    for resource, name, content in objects:
        metadata = {"name": name, "labels": labels_of(owner), "annotations": annotations}
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **content}
        made.append(Manifest(resource, name, body, **how))
    return replace(saved(1, generation, key, lsn=lsn), row=owner, manifests=tuple(made), present=not made)


def gone(key: str, generation: int) -> Desired:
    return replace(deleted(1, generation, key), row=RowKey("tenants", key))


def config(name: str, **data: str) -> tuple[ResourceType, str, dict[str, Any]]:
    return (MAP, name, {"data": data})


def quota(name: str, pods: str) -> tuple[ResourceType, str, dict[str, Any]]:
    return (QUOTA, name, {"spec": {"hard": {"pods": pods}}})


def role(name: str) -> tuple[ResourceType, str, dict[str, Any]]:
    return (ROLE, name, {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]})


async def outcome(target: Target, desired: Desired) -> Outcome | str:
    (result,) = (await target.deliver([desired])).values()
    return result.outcome if isinstance(result, Delivered) else str(result.error)


def names(place: Kubernetes) -> set[str]:
    out = place.kubectl("get", "configmaps,resourcequotas,roles", "-l", "rowcast.dev/renderer=tenants", "-o", "name")
    return set(out.split())


async def differs(target: Target, desired: Desired) -> list[str]:
    comparison = Comparison([one for one in await target.inventory() if one.row.renderer == "tenants"], 10_000)
    comparison.row(desired, target.expect(desired))
    return [difference.why for difference in comparison.finish().differences]


async def test_a_row_has_all_its_objects_and_they_are_as_expected(target: Target, place: Kubernetes) -> None:
    wanted = row("eu,7", 1, config("a", x="1"), quota("b", "5"), role("c"))
    assert await outcome(target, wanted) == Outcome.CREATED
    assert names(place) == {"configmap/a", "resourcequota/b", "role.rbac.authorization.k8s.io/c"}
    assert await differs(target, wanted) == []
    assert await outcome(target, wanted) == Outcome.UNCHANGED

    changed = row("eu,7", 2, config("a", x="2"), quota("b", "6"))
    assert await outcome(target, changed) == Outcome.CONFIGURED
    assert names(place) == {"configmap/a", "resourcequota/b"}
    assert await outcome(target, wanted) == Outcome.STALE
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "2"

    assert await outcome(target, gone("eu,7", 3)) == Outcome.DELETED
    assert names(place) == set()
    assert await outcome(target, changed) == Outcome.STALE


async def test_a_new_instance_knows_what_the_last_one_delivered_once_it_hears_of_the_kinds(place: Kubernetes) -> None:
    wanted = row("7", 2, config("a", x="1"), role("c"))
    first = place.target()
    await first.start()
    await outcome(first, wanted)
    await first.close()

    second = place.target()
    await second.start()
    try:
        assert await outcome(second, row("7", 1, config("a", x="0"))) == Outcome.STALE
        assert await outcome(second, wanted) == Outcome.UNCHANGED
        assert await differs(second, wanted) == []
    finally:
        await second.close()


@pytest.mark.parametrize(
    "edit",
    [
        '{"data": {"x": "by hand"}}',
        '{"data": {"x": null}}',
        '{"metadata": {"labels": {"mine": "other"}}}',
    ],
    ids=["another value", "taken out", "a label"],
)
async def test_what_somebody_has_edited_is_seen_and_put_right(target: Target, place: Kubernetes, edit: str) -> None:
    owned = config("a", x="1", y="2")
    wanted = row("7", 1, owned)
    labels = {**wanted.manifests[0].body["metadata"]["labels"], "mine": "ours"}
    body = wanted.manifests[0].body
    manifest = replace(wanted.manifests[0], body={**body, "metadata": {**body["metadata"], "labels": labels}})
    wanted = replace(wanted, manifests=(manifest,))
    await outcome(target, wanted)
    place.kubectl("patch", "configmap", "a", "--type=merge", "-p", edit)

    assert await differs(target, wanted) == ["was edited there"]
    await outcome(target, replace(wanted, authoritative=True, supersedes=1))

    assert await differs(target, wanted) == []
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x} {.metadata.labels.mine}") == "1 ours"


async def test_what_others_add_beside_is_theirs(target: Target, place: Kubernetes) -> None:
    wanted = row("7", 1, config("a", x="1"), role("c"))
    await outcome(target, wanted)
    place.kubectl("patch", "configmap", "a", "--type=merge", "-p", '{"data": {"theirs": "z"}}')
    place.kubectl("label", "role", "c", "team=blue")

    assert await differs(target, wanted) == []


async def test_an_object_of_another_row_is_refused_by_name_and_is_had_when_that_lets_go(
    target: Target, place: Kubernetes
) -> None:
    await outcome(target, row("7", 1, config("a", x="7")))

    (result,) = (await target.deliver([row("8", 1, config("a", x="8"))])).values()

    assert isinstance(result, Failed)
    assert isinstance(result.error, TransientError)
    assert "is of row tenants/7" in str(result.error)
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "7"
    await outcome(target, row("7", 2, config("b", x="7")))
    assert await outcome(target, row("8", 1, config("a", x="8"))) == Outcome.CREATED


async def test_what_is_not_ours_is_left_alone_unless_it_is_to_be_adopted(target: Target, place: Kubernetes) -> None:
    place.kubectl("create", "configmap", "a", "--from-literal=x=theirs")

    (result,) = (await target.deliver([row("7", 1, config("a", x="7"))])).values()
    assert isinstance(result, Failed)
    assert isinstance(result.error, PermanentError)
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "theirs"

    assert await outcome(target, row("7", 2, config("a", x="7"), conflict="adopt")) == Outcome.CREATED
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "7"


async def test_what_is_retained_is_left_behind_and_its_row_alone_has_it_again(
    target: Target, place: Kubernetes
) -> None:
    kept = row("7", 1, config("a", x="7"), delete="retain")
    await outcome(target, kept)
    assert await outcome(target, gone("7", 2)) == Outcome.DELETED
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "7"

    assert "not managed by rowcast" in str(await outcome(target, row("8", 1, config("a", x="8"))))
    assert await outcome(target, row("7", 3, config("a", x="again"), delete="retain")) == Outcome.CREATED
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "again"


async def test_what_is_made_once_is_never_changed(target: Target, place: Kubernetes) -> None:
    first = row("7", 1, config("a", x="first"), create="once")
    await outcome(target, first)
    later = row("7", 2, config("a", x="later"), create="once")
    await outcome(target, later)

    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "first"
    place.kubectl("delete", "configmap", "a")


async def test_a_row_is_partly_there_until_all_of_it_can_be(target: Target, place: Kubernetes) -> None:
    unknown: tuple[ResourceType, str, dict[str, Any]] = (
        ResourceType("example.com", "v1", "", "Widget"),
        "w",
        {"spec": {}},
    )
    assert "has no kind Widget in example.com/v1" in str(
        await outcome(target, row("7", 1, config("a", x="1"), unknown))
    )

    elsewhere: Object = (MAP, "b", {"data": {}})
    wanted = row("7", 1, config("a", x="1"), elsewhere)
    missing = wanted.manifests[1]
    metadata = {**missing.body["metadata"], "namespace": f"{place.namespace}-later"}
    wanted = replace(
        wanted, manifests=(wanted.manifests[0], replace(missing, body={**missing.body, "metadata": metadata}))
    )
    assert "not found" in str(await outcome(target, wanted))
    assert names(place) == {"configmap/a"}

    place.kubectl("create", "namespace", f"{place.namespace}-later")
    assert await outcome(target, wanted) == Outcome.CONFIGURED
    assert await differs(target, wanted) == []
