"""What turns one rendering into another, and nothing more."""

from typing import Any

from rowcast_manifests.difference import difference, patch
from rowcast_manifests.objects import Manifest, index


def deployment(**container: Any) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "crud", "labels": {"part": "crud"}},
        "spec": {"template": {"spec": {"containers": [{"name": "crud", **container}]}}},
    }


def component(*settings: str) -> Manifest:
    entries = [{"name": name, "value": "1"} for name in settings]
    return {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": "p"},
        "spec": {"metadata": entries},
    }


def container_patch(before: Manifest, after: Manifest) -> Any:
    return patch(before, after)["spec"]["template"]["spec"]["containers"][0]


def test_equal_renderings_need_nothing() -> None:
    assert not difference(index([deployment()]), index([deployment()]))


def test_an_object_that_appears_is_added_whole() -> None:
    assert difference({}, index([deployment(image="a")])).added == [deployment(image="a")]


def test_an_object_that_goes_is_named_and_no_more() -> None:
    removed = difference(index([deployment(image="a")]), {}).removed
    assert removed == [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "crud"}}]


def test_an_object_of_a_newer_api_version_is_still_the_same_object() -> None:
    newer = {**deployment(), "apiVersion": "apps/v2"}
    change = difference(index([deployment()]), index([newer]))
    assert (change.added, change.removed) == ([], [])


def test_a_patch_says_only_what_changes() -> None:
    assert container_patch(deployment(image="a", env=[]), deployment(image="b", env=[])) == {
        "name": "crud",
        "image": "b",
    }


def test_one_variable_is_added_beside_those_of_other_patches() -> None:
    before = deployment(env=[{"name": "A", "value": "1"}])
    after = deployment(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])
    assert container_patch(before, after)["env"] == [{"name": "B", "value": "2"}]


def test_a_variable_that_comes_from_a_secret_now_loses_its_value() -> None:
    before = deployment(env=[{"name": "A", "value": "1"}])
    after = deployment(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    assert container_patch(before, after)["env"][0]["value"] is None


def test_a_list_without_keys_is_replaced_as_a_whole() -> None:
    assert container_patch(deployment(args=["a", "b"]), deployment(args=["b"]))["args"] == ["b"]


def test_mounts_at_one_path_are_replaced_as_a_whole() -> None:
    mounts = [{"mountPath": "/x", "subPath": "1"}, {"mountPath": "/x", "subPath": "2"}]
    changed = container_patch(deployment(volumeMounts=mounts), deployment(volumeMounts=mounts[:1]))["volumeMounts"]
    assert changed == [mounts[0], {"$patch": "replace"}]


def test_lists_of_custom_resources_are_replaced_as_a_whole_for_kustomize_knows_no_keys_there() -> None:
    change = patch(component("a", "b"), component("a", "c"))
    assert change["spec"]["metadata"] == component("a", "c")["spec"]["metadata"]


def test_a_label_that_goes_is_set_to_nothing() -> None:
    without_label = {**deployment(), "metadata": {"name": "crud"}}
    assert patch(deployment(), without_label)["metadata"] == {"labels": None, "name": "crud"}
