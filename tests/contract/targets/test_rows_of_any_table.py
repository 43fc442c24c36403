"""Rows that render to several objects of any kinds, at every kind of target."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tenacity import AsyncRetrying, stop_after_delay, wait_fixed

from contract.targets.kubernetes_place import Kubernetes
from contract.targets.readable import Rows
from contract.targets.rows import deleted, saved
from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, Target
from rowcast.core.reconcile import Comparison, HeldInventory
from rowcast.core.render import KEY, ON_DELETE, Desired, Manifest, ResourceType, labels_of
from rowcast.core.row import RowKey
from rowcast.sync.delivery.stale_check import Hindsight
from rowcast.sync.targets.kubernetes.objects import homed
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget
from rowcast_local.platform import Platform

pytestmark = pytest.mark.anyio
MAP, QUOTA = ResourceType("", "v1", "", "ConfigMap"), ResourceType("", "v1", "", "ResourceQuota")
NAMESPACE, ACCOUNT = ResourceType("", "v1", "", "Namespace"), ResourceType("", "v1", "", "ServiceAccount")
DEFINITION = ResourceType("apiextensions.k8s.io", "v1", "", "CustomResourceDefinition")
Object = tuple[ResourceType, str, dict[str, Any]]
"""Its type, its name and its content."""
ROLES = "role.rbac.authorization.k8s.io"
ROLE = ResourceType("rbac.authorization.k8s.io", "v1", "", "Role")


@pytest.fixture
def place(api_server: Platform) -> Kubernetes:
    return Kubernetes(api_server.env())


@pytest.fixture
async def target(place: Kubernetes) -> AsyncIterator[Target]:
    target = place.target()
    await target.start()
    yield target
    await target.close()


def row(key: str, generation: int, *objects: Object, lsn: int = 0, **how: Any) -> Desired:
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


def config(name: str, **data: str) -> Object:
    return (MAP, name, {"data": data})


def quota(name: str, pods: str) -> Object:
    return (QUOTA, name, {"spec": {"hard": {"pods": pods}}})


def role(name: str) -> Object:
    return (ROLE, name, {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]})


async def outcome(target: Target, desired: Desired) -> Outcome | str:
    (result,) = (await target.deliver([desired])).values()
    return result.outcome if isinstance(result, Delivered) else str(result.error)


def names(place: Kubernetes) -> set[str]:
    out = place.kubectl("get", "configmaps,resourcequotas,roles", "-l", "rowcast.dev/renderer=tenants", "-o", "name")
    return set(out.split())


async def differs(target: Target, desired: Desired) -> list[str]:
    comparison = Comparison(
        HeldInventory(one for one in await target.inventory() if one.row.renderer == "tenants"), 10_000
    )
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


async def test_what_the_last_instance_delivered_goes_although_nothing_names_its_kinds_any_more(
    place: Kubernetes,
) -> None:
    first = place.target()
    await first.start()
    await outcome(first, row("7", 1, config("a", x="1"), role("c")))
    await outcome(first, row("8", 1, config("b", x="1"), quota("d", "5")))
    await first.close()

    second = place.target()
    await second.start()
    try:
        assert await outcome(second, row("8", 2, config("b", x="2"))) == Outcome.CONFIGURED
        assert await outcome(second, gone("7", 2)) == Outcome.DELETED
        assert names(place) == {"configmap/b"}
    finally:
        await second.close()


async def test_a_row_that_another_instance_made_of_kinds_unheard_of_goes_by_this_one(place: Kubernetes) -> None:
    one, other = place.target(), place.target()
    await one.start()
    await other.start()
    try:
        await outcome(other, row("7", 1, role("c")))
        await outcome(other, row("8", 1, quota("d", "5")))

        assert {held.row.key for held in await one.inventory() if held.row.renderer == "tenants"} == {"7", "8"}
        await outcome(other, row("9", 1, (ACCOUNT, "e", {})))
        assert await outcome(one, gone("9", 2)) == Outcome.DELETED
        assert place.kubectl("get", "serviceaccounts", "-l", "rowcast.dev/renderer=tenants", "-o", "name") == ""
    finally:
        await one.close()
        await other.close()


def within(desired: Desired, namespace: str, *which: int) -> Desired:
    """Objects of a row in a namespace that they name."""
    made = list(desired.manifests)
    for index in which:
        body = made[index].body
        metadata = {**body["metadata"], "namespace": namespace}
        made[index] = replace(made[index], body={**body, "metadata": metadata})
    return replace(desired, manifests=tuple(made))


async def test_a_namespace_comes_before_what_is_in_it_and_goes_after_it(target: Target, place: Kubernetes) -> None:
    tenant = f"{place.namespace}-tenant"
    outer: Object = (NAMESPACE, tenant, {})
    wanted = within(row("7", 1, outer, config("settings", x="1"), quota("limits", "5")), tenant, 1, 2)
    assert await outcome(target, wanted) == Outcome.CREATED
    assert await differs(target, wanted) == []
    found = place.kubectl("get", "configmaps,resourcequotas", "-n", tenant, "-l", "rowcast.dev/key=7", "-o", "name")
    assert set(found.split()) == {"configmap/settings", "resourcequota/limits"}

    place.kubectl("patch", "namespace", tenant, "--type=merge", "-p", '{"metadata": {"finalizers": ["a.test/hold"]}}')
    assert "is being deleted and waits for: a.test/hold" in str(await outcome(target, gone("7", 2)))
    found = place.kubectl("get", "configmaps,resourcequotas", "-n", tenant, "-l", "rowcast.dev/key=7", "-o", "name")
    assert found == ""
    place.kubectl("patch", "namespace", tenant, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


async def test_what_is_there_of_a_row_in_part_is_told_and_not_written_twice(target: Target, place: Kubernetes) -> None:
    later = f"{place.namespace}-later"
    wanted = within(row("7", 1, config("a", x="1"), config("b", x="1"), role("c")), later, 1)
    (result,) = (await target.deliver([wanted])).values()
    assert isinstance(result, Failed)
    assert isinstance(result.error, TransientError)
    assert "1 of 3 objects are there (/ConfigMap//a)" in str(result.error)
    assert names(place) == {"configmap/a"}, "none comes before those that it is after"
    version = place.kubectl("get", "configmap", "a", "-o", "jsonpath={.metadata.resourceVersion}")

    place.kubectl("create", "namespace", later)
    assert await outcome(target, wanted) == Outcome.CREATED, "what the first try began"
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.metadata.resourceVersion}") == version
    assert names(place) == {"configmap/a", "role.rbac.authorization.k8s.io/c"}


async def test_what_is_ignored_is_set_when_it_is_made_and_is_somebody_elses_afterwards(
    target: Target, place: Kubernetes
) -> None:
    first = row("7", 1, config("a", x="1", y="1"), ignore=("data.y",))
    await outcome(target, first)
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.y}") == "1"

    place.kubectl("patch", "configmap", "a", "--type=merge", "-p", '{"data": {"y": "theirs"}}')
    assert await differs(target, first) == []
    later = row("7", 2, config("a", x="2", y="2"), ignore=("data.y",))
    assert await outcome(target, later) == Outcome.CONFIGURED
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x} {.data.y}") == "2 theirs"
    assert await differs(target, later) == []


async def test_what_the_target_of_another_namespace_has_is_never_taken(target: Target, place: Kubernetes) -> None:
    shared = f"{place.namespace}-shared"
    await outcome(target, row("7", 1, (NAMESPACE, shared, {})))
    elsewhere = Kubernetes(place.env)
    other = elsewhere.target()
    await other.start()
    try:
        theirs = row("7", 2, (NAMESPACE, shared, {}), conflict="adopt")
        assert f"is of the target for namespace {place.namespace}" in str(await outcome(other, theirs))
        assert await outcome(other, gone("7", 3)) == Outcome.UNCHANGED
        home = place.kubectl("get", "namespace", shared, "-o", r"jsonpath={.metadata.labels.rowcast\.dev/home}")
        assert home == place.namespace
    finally:
        await other.close()


async def test_a_kind_that_its_own_row_defines_comes_and_goes(target: Target, place: Kubernetes) -> None:
    group = f"{place.namespace}.test"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    gadget = (ResourceType(group, "v1", "", "Gadget"), "g", {"spec": {"size": 1}})
    wanted = row("7", 1, (DEFINITION, f"gadgets.{group}", {"spec": spec}), gadget)
    first = await outcome(target, wanted)  # the kind is served a moment after it is defined
    assert first == Outcome.CREATED or "1 of 2 objects are there" in str(first)
    place.kubectl("wait", "--for=condition=Established", "crd", f"gadgets.{group}")
    place.kubectl("get", f"gadgets.{group}")
    async for attempt in AsyncRetrying(stop=stop_after_delay(20), wait=wait_fixed(0.1)):
        with attempt:
            assert await outcome(target, wanted) in (Outcome.CONFIGURED, Outcome.UNCHANGED)
    assert await differs(target, wanted) == []

    place.kubectl("delete", "crd", f"gadgets.{group}")
    assert await differs(target, wanted) != [], "a kind that was taken out leaves the inventory of all others whole"
    assert await outcome(target, gone("7", 2)) in (Outcome.DELETED, Outcome.UNCHANGED)


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


async def test_rows_that_swap_their_names_get_there_in_one_batch(target: Target, place: Kubernetes) -> None:
    await target.deliver([row("7", 1, config("a", x="7"), role("a")), row("8", 1, config("b", x="8"), role("b"))])

    swapped = [row("7", 2, config("b", x="7"), role("b")), row("8", 2, config("a", x="8"), role("a"))]
    results = await target.deliver(swapped)

    assert all(isinstance(result, Delivered) for result in results.values()), results
    assert place.kubectl("get", "configmaps", "a", "b", "-o", "jsonpath={.items[*].data.x}") == "8 7"
    assert names(place) == {f"{kind}/{name}" for kind in ("configmap", ROLES) for name in ("a", "b")}
    assert [await outcome(target, one) for one in swapped] == [Outcome.UNCHANGED] * 2


async def test_rows_that_swap_their_names_get_there_although_each_waits_in_another_instance(place: Kubernetes) -> None:
    swapped = [row("7", 2, config("b", x="7"), role("b")), row("8", 2, config("a", x="8"), role("a"))]
    table = Rows(swapped)
    targets = [place.target(), place.target()]
    instances = [Hindsight(target, table) for target in targets]
    try:
        for target in targets:
            await target.start()
        await targets[0].deliver(
            [row("7", 1, config("a", x="7"), role("a")), row("8", 1, config("b", x="8"), role("b"))]
        )
        for target, one in zip(targets, swapped, strict=True):
            assert "has to let go of it first" in str(await outcome(target, one))

        both = zip(instances, swapped, strict=True)
        told = await asyncio.gather(*(instance.deliver([replace(one, again=True)]) for instance, one in both))

        assert all(isinstance(result, Delivered) for results in told for result in results.values()), told
        assert place.kubectl("get", "configmaps", "a", "b", "-o", "jsonpath={.items[*].data.x}") == "8 7"
        assert names(place) == {f"{kind}/{name}" for kind in ("configmap", ROLES) for name in ("a", "b")}
    finally:
        for target in targets:
            await target.close()


class Meanwhile:
    """A target whose own watch shows, between two writes for one row, what another instance has made of a place."""

    def __init__(self, place: Kubernetes) -> None:
        self.mine, self.other = place.target(), place.target()

    async def __aenter__(self) -> Meanwhile:
        await self.mine.start()
        await self.other.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.mine.close()
        await self.other.close()

    def after(self, written: str, made: Desired) -> None:
        """Once `written` was applied, the other one has its object of `made` over whatever is there."""
        mine, other = (cast("Any", one)._started for one in (self.mine, self.other))
        apply = mine._api.apply

        async def applied(manifest: Manifest, over: Any) -> Any:
            live = await apply(manifest, over)
            if manifest.name == written:
                (theirs,) = homed(made, other._api.namespace).manifests
                place = other._api.place(theirs)
                await other._api.apply(theirs, other._view.at(place))
                async for attempt in AsyncRetrying(stop=stop_after_delay(30), wait=wait_fixed(0.02)):
                    with attempt:
                        assert mine._view.at(place).held.row == made.row
            return live

        mine._api.apply = applied


async def test_what_another_row_has_got_meanwhile_is_not_removed_with_the_row_that_had_it(place: Kubernetes) -> None:
    async with Meanwhile(place) as both:
        await both.mine.deliver([row("7", 1, config("a", x="7"))])
        await both.other.deliver([row("9", 1, config("z", x="9"))])
        both.after("b", row("8", 2, config("a", x="8"), lsn=90))
        assert isinstance(await outcome(both.mine, row("7", 2, config("b", x="7"))), Outcome)
        assert place.kubectl("get", "configmaps", "a", "b", "-o", "jsonpath={.items[*].data.x}") == "8 7"


async def test_what_another_row_has_got_meanwhile_is_not_written_over(place: Kubernetes) -> None:
    async with Meanwhile(place) as both:
        both.after("b", row("8", 2, config("c", x="8"), lsn=90))
        assert "has to let go of it first" in str(
            await outcome(both.mine, row("7", 2, config("b", x="7"), config("c", x="7")))
        )
        assert place.kubectl("get", "configmap", "c", "-o", "jsonpath={.data.x}") == "8"


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


async def test_of_what_a_new_revision_makes_no_more_all_goes_but_what_is_retained(
    target: Target, place: Kubernetes
) -> None:
    both = row("7", 1, config("a", x="7"), role("c"))
    (kept, _), other = row("7", 1, config("a", x="7"), role("c"), delete="retain").manifests, both.manifests[1]
    await outcome(target, replace(both, manifests=(kept, other)))

    assert await outcome(target, row("7", 2, config("b", x="7"))) == Outcome.CONFIGURED
    assert names(place) == {"configmap/a", "configmap/b"}
    assert place.kubectl("get", "configmap", "a", "-o", r"jsonpath={.metadata.annotations.rowcast\.dev/retained}") == (
        "tenants/7"
    )


async def test_an_object_of_another_renderer_is_refused_by_name_before_and_at_delivery(
    target: Target, place: Kubernetes
) -> None:
    await outcome(target, row("7", 1, config("a", x="7")))
    theirs = replace(row("1", 9, config("a", x="b")), row=RowKey("banks", "1"))

    for adopting in (theirs, replace(theirs, manifests=(replace(theirs.manifests[0], conflict="adopt"),))):
        assert "is of row tenants/7" in str((await target.preview(adopting)).error)
        assert "is of row tenants/7" in str(await outcome(target, adopting))
    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "7"


async def test_what_is_made_once_is_never_changed(target: Target, place: Kubernetes) -> None:
    first = row("7", 1, config("a", x="first"), create="once")
    await outcome(target, first)
    later = row("7", 2, config("a", x="later"), create="once")
    await outcome(target, later)

    assert place.kubectl("get", "configmap", "a", "-o", "jsonpath={.data.x}") == "first"
    place.kubectl("delete", "configmap", "a")


async def test_a_row_is_partly_there_until_all_of_it_can_be(target: Target, place: Kubernetes) -> None:
    unknown: Object = (ResourceType("example.com", "v1", "", "Widget"), "w", {"spec": {}})
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
    assert await outcome(target, wanted) == Outcome.CREATED, "what the first try began"
    assert await differs(target, wanted) == []


KINDS = (MAP, QUOTA, ROLE)
placed = st.tuples(st.sampled_from(KINDS), st.sampled_from("ab"))
states: st.SearchStrategy[set[tuple[ResourceType, str]] | None] = st.none() | st.sets(placed, max_size=4)
"""What a row renders to, by kind and name; None for a row that is deleted."""


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[dict[RowKey, Desired], list[list[Desired]]]:
    """Rows as they are in the end, and their states as they arrive: each at least once, in any order and batches.

    A key that is used again goes on from its generation, as the table has it.
    """
    history: list[Desired] = []
    final: dict[RowKey, Desired] = {}
    for key in ("1", "2"):
        for generation, state in enumerate(draw(st.lists(states, min_size=1, max_size=6)), start=1):
            made: list[Object] = [(kind, f"{key}-{name}", {}) for kind, name in sorted(state or (), key=str)]
            desired = gone(key, generation) if state is None else row(key, generation, *made)
            final[desired.row] = desired
            history.append(desired)
    repeated = draw(st.lists(st.sampled_from(history), max_size=6))
    batches: list[list[Desired]] = [[]]
    for desired in draw(st.permutations([*history, *repeated])):
        if draw(st.booleans()) or any(desired.row == other.row for other in batches[-1]):
            batches.append([])
        batches[-1].append(desired)
    return final, batches


@given(arrivals())
@settings(max_examples=1_000, deadline=None)
def test_in_any_order_each_object_ends_as_its_row_and_none_comes_back(
    history: tuple[dict[RowKey, Desired], list[list[Desired]]],
) -> None:
    final, batches = history
    store = MemoryStore()
    newest: dict[RowKey, int] = {}

    async def play() -> None:
        target = MemoryTarget(store)
        for batch in batches:
            results = await target.deliver(batch)
            assert all(isinstance(result, Delivered) for result in results.values()), results
            for desired in batch:
                newest[desired.row] = max(newest.get(desired.row, 0), desired.generation)
            for stored in store.objects.values():
                assert stored.held is not None
                assert stored.held.generation == newest[stored.held.row], "each object is as new as its row"

    asyncio.run(play())
    expected = {
        f"{desired.environment}/{one.type.place(one.name, one.namespace)}": (desired.row, desired.generation)
        for desired in final.values()
        for one in desired.manifests
    }
    held = {place: stored.held for place, stored in store.objects.items() if stored.held is not None}
    assert {place: (one.row, one.generation) for place, one in held.items()} == expected


def test_in_memory_too_a_row_refuses_to_take_what_another_has_and_has_it_when_that_lets_go() -> None:
    async def play() -> None:
        target = MemoryTarget(MemoryStore())
        await outcome(target, row("7", 1, config("a", x="7"), role("c")))
        assert "is of row tenants/7" in str(await outcome(target, row("8", 1, config("a", x="8"))))
        banks = replace(row("1", 9, config("a", x="b")), row=RowKey("banks", "1"))
        assert "is of row tenants/7" in str(await outcome(target, banks)), "a later renderer takes nothing either"
        await outcome(target, row("7", 2, role("c")))
        assert await outcome(target, row("8", 1, config("a", x="8"))) == Outcome.CREATED

    asyncio.run(play())


POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations: [{expression: "!has(object.data) || !('forbidden' in object.data)", message: no such data here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec:
  policyName: NAME
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}}
"""


async def test_a_preview_names_each_object_that_the_api_server_would_refuse_and_writes_none(
    target: Target, place: Kubernetes
) -> None:
    fixed = (MAP, "fixed", {"immutable": True, "data": {"x": "1"}})
    assert await outcome(target, row("7", 1, fixed)) == Outcome.CREATED
    place.kubectl("create", "quota", "full", "--hard=count/configmaps=1")
    # As the controller counts it, which doesn't run beside every API server.
    counted = {"status": {each: {"count/configmaps": "1"} for each in ("hard", "used")}}
    patch = ("--subresource=status", "--type=merge", "-p", json.dumps(counted))
    place.kubectl("patch", "resourcequota", "full", *patch)
    place.kubectl("apply", "-f", "-", stdin=POLICY.replace("NAME", place.namespace))
    new = f"{place.namespace}-new"
    wanted = row(
        "7",
        2,
        (MAP, "fixed", {"immutable": True, "data": {"x": "2"}}),
        config("denied", forbidden="x"),
        config("third", x="1"),
        (NAMESPACE, new, {}),
        (MAP, "within", {"data": {"x": "1"}}),
        (ACCOUNT, "account", {}),
    )
    manifests = list(wanted.manifests)
    within = manifests[4]
    metadata = {**within.body["metadata"], "namespace": new}
    manifests[4] = replace(within, body={**within.body, "metadata": metadata})
    before = place.version(), names(place)
    try:
        async for attempt in AsyncRetrying(wait=wait_fixed(0.2), stop=stop_after_delay(60), reraise=True):
            with attempt:  # the API server takes up a quota and a policy a moment after it has them
                preview = await target.preview(replace(wanted, manifests=tuple(manifests)))
                reasons = {index: str(error) for index, error in preview.refused}
                assert reasons.keys() == {0, 1, 2}
                assert "no such data here" in reasons[1]
    finally:
        place.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", place.namespace)

    assert "field is immutable" in reasons[0]
    assert "exceeded quota: full" in reasons[2]
    assert preview.unasked == [4]
    assert str(preview.error) == reasons[0]
    assert (place.version(), names(place)) == before
