"""What the Kubernetes target makes of objects of any kinds, without an API server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from contract.targets.test_rows_of_any_table import config, row
from rowcast.core.render import KEY, Manifest, ResourceType, labels_of
from rowcast.core.row import RowKey
from rowcast.sync.targets.kubernetes.api import Api, Kind, listable
from rowcast.sync.targets.kubernetes.objects import (
    HOME,
    IGNORE,
    ORDER,
    Live,
    as_live,
    digest_of_object,
    live_of,
    removal_order,
    without,
)
from rowcast.sync.targets.kubernetes.owned import digest_of_applied, digest_of_owned, owned
from rowcast.sync.targets.kubernetes.preview import preview

ROW = RowKey("tenants", "7")
MAP = ResourceType("", "v1", "", "ConfigMap")


def group(name: str, *versions: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "metadata": {"name": name} if name else {},
        "versions": [{"version": version, "resources": resources} for version, resources in versions],
    }


def resource(plural: str, kind: str, scope: str = "Namespaced", *verbs: str) -> dict[str, Any]:
    return {
        "resource": plural,
        "responseKind": {"kind": kind},
        "scope": scope,
        "verbs": list(verbs or ("list", "watch", "get")),
    }


def test_discovery_names_each_kind_once_in_the_version_that_its_group_prefers() -> None:
    answer = {
        "items": [
            group("", ("v1", [resource("namespaces", "Namespace", "Cluster"), resource("configmaps", "ConfigMap")])),
            group("autoscaling", ("v2", [resource("hpas", "HPA")]), ("v1", [resource("hpas", "HPA")])),
        ]
    }
    assert listable(answer) == [
        (ResourceType("", "v1", "", "Namespace"), Kind("namespaces", namespaced=False)),
        (MAP, Kind("configmaps", namespaced=True)),
        (ResourceType("autoscaling", "v2", "", "HPA"), Kind("hpas", namespaced=True)),
    ]


def test_discovery_leaves_out_what_can_not_be_followed() -> None:
    nameless = {"resource": "odd", "scope": "Namespaced", "verbs": ["list", "watch"]}
    answer = {"items": [group("", ("v1", [resource("bindings", "Binding", "Namespaced", "create"), nameless]))]}
    assert listable(answer) == []
    assert listable({}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("", "v1", "ConfigMap", "", "a"), ("", "v1", "Secret", "", "a")),
        (("", "v1", "Event", "", "a"), ("events.k8s.io", "v1", "Event", "", "a")),
        (("", "v1", "ConfigMap", "x", "a"), ("", "v1", "ConfigMap", "y", "a")),
        (("", "v1", "ConfigMap", "x", "a"), ("", "v1", "ConfigMap", "", "a")),
    ],
    ids=["kind", "group", "namespace", "the target's own namespace"],
)
def test_places_are_apart_by(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    def place(group: str, version: str, kind: str, namespace: str, name: str) -> str:
        return ResourceType(group, version, "", kind).place(name, namespace)

    assert place(*one) != place(*other)


def test_the_place_of_a_configuration_is_as_ever() -> None:
    assert ResourceType("rowcast.dev", "v1alpha1", "appconfigs", "AppConfig").place("a") == "appconfigs/a"


def test_only_what_we_applied_is_owned_in_maps_and_in_lists() -> None:
    live = {"a": 1, "b": 2, "items": [{"name": "x", "v": 1, "theirs": 2}, {"name": "y"}], "set": ["p", "q"]}
    fields = {
        "f:a": {},
        "f:gone": {},
        "f:items": {'k:{"name":"x"}': {".": {}, "f:name": {}, "f:v": {}}},
        "f:set": {'v:"q"': {}},
    }
    assert owned(live, fields) == {"a": 1, "items": [{"name": "x", "v": 1}], "set": ["q"]}


def body(**content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"l": "1"}}, **content}


FIELDS: Mapping[str, Any] = {
    "f:metadata": {"f:labels": {"f:l": {}}},
    "f:data": {"f:x": {}},
    "f:rules": {},
}


@pytest.mark.parametrize(
    "content", [{"data": {"x": "2"}}, {"data": {"x": "1"}, "rules": [{"verbs": ["get"]}]}], ids=["data", "rules"]
)
def test_a_digest_is_of_all_that_is_owned_not_of_the_spec_alone(content: dict[str, Any]) -> None:
    assert digest_of_owned(body(data={"x": "1"}), FIELDS) == digest_of_applied(body(data={"x": "1"}))
    assert digest_of_owned(body(**content), FIELDS) != digest_of_applied(body(data={"x": "1"}))


def test_a_digest_does_not_see_what_others_added() -> None:
    theirs = body(data={"x": "1", "y": "theirs"}, status={"phase": "Active"})
    theirs["metadata"] = {**theirs["metadata"], "labels": {"l": "1", "team": "blue"}, "uid": "u"}
    assert digest_of_owned(theirs, FIELDS) == digest_of_applied(body(data={"x": "1"}))


def test_ignored_fields_are_no_part_of_what_is_compared() -> None:
    one = Manifest(MAP, "a", body(data={"x": "1", "y": "1"}), ignore=("data.y",))
    other = replace(one, body=body(data={"x": "1", "y": "2"}))
    assert digest_of_object(ROW, one) == digest_of_object(ROW, other)
    assert digest_of_object(ROW, one) != digest_of_object(ROW, replace(other, ignore=()))


def test_ignored_fields_are_applied_as_they_are_live() -> None:
    wanted = {"spec": {"replicas": 1, "paused": False}}
    assert as_live(wanted, {"spec": {"replicas": 5}}, ["spec.replicas"]) == {"spec": {"replicas": 5, "paused": False}}
    assert as_live(wanted, {"spec": {}}, ["spec.replicas"]) == {"spec": {"paused": False}}
    assert as_live({}, {"spec": {"replicas": 5}}, ["spec.replicas"]) == {"spec": {"replicas": 5}}
    assert wanted == {"spec": {"replicas": 1, "paused": False}}, "it is left as it was"


@pytest.mark.parametrize("path", ["nowhere", "spec.nowhere", "spec.replicas.below", ""])
def test_a_path_that_leads_nowhere_is_no_matter(path: str) -> None:
    wanted = {"spec": {"replicas": 1}}
    assert without(wanted, [path]) == wanted
    assert as_live(wanted, {}, [path]) == wanted


def seen(name: str, *, namespace: str = "", home: str = "here", **annotations: str) -> Live:
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "resourceVersion": "1",
        "labels": {**labels_of(ROW), HOME: home},
        "annotations": {"rowcast.dev/generation": "1", KEY: ROW.key, **annotations},
    }
    return live_of(MAP, {"metadata": metadata}, "here")


def test_objects_go_in_the_opposite_of_the_order_in_which_they_came() -> None:
    first, second = seen("z", **{ORDER: "0"}), seen("a", **{ORDER: "1"})
    assert sorted([first, second], key=removal_order) == [second, first]


def test_without_an_order_what_is_in_a_namespace_goes_before_what_may_be_it() -> None:
    outer, inner = seen("a"), seen("z", namespace="tenant")
    assert sorted([outer, inner], key=removal_order) == [inner, outer]


def test_an_object_of_the_target_for_another_namespace_is_not_ours() -> None:
    assert seen("a").held is not None
    assert seen("a", home="there").held is None
    assert seen("a", home="there").other_target == "the target for namespace there"


@pytest.mark.parametrize(
    "written",
    ["", "no json", "7", '{"a": 1}', "[7, null]", "[" * 100_000],
    ids=["nothing", "no JSON", "a number", "an object", "no texts", "deep"],
)
def test_whatever_somebody_writes_as_ignored_paths_is_read(written: str) -> None:
    assert seen("a", **{IGNORE: written}).held is not None


class OneObject:
    """An API server with one object, which takes every dry run."""

    async def get(self, *which: object) -> Live:
        return seen("a")

    def place(self, manifest: Manifest) -> str:
        return f"/ConfigMap//{manifest.name}"

    async def try_apply(self, manifest: Manifest, over: Live | None) -> Mapping[str, Any]:
        return manifest.body


@pytest.mark.anyio
async def test_a_preview_refuses_what_another_renderer_has_by_name_and_leaves_its_own_rows_to_the_delivery() -> None:
    other = replace(row("1", 9, config("a", x="b")), row=RowKey("banks", "1"))

    refused = await preview(cast(Api, OneObject()), other, [])
    own = await preview(cast(Api, OneObject()), row("8", 1, config("a", x="8")), [])

    assert "/ConfigMap//a is of row tenants/7" in str(refused.error)
    assert (own.error, own.refused) == (None, [])
