"""What Kustomize gets of a rendering."""

import pytest

from rowcast_manifests.chart import NAMESPACE, RenderingError, portable
from rowcast_manifests.merge import merge
from rowcast_manifests.objects import parse, to_yaml


def test_labels_that_name_helm_are_left_out_everywhere() -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "rowcast-1", "app.kubernetes.io/name": "rowcast"}
    pod = {"kind": "Pod", "metadata": {"name": "a", "labels": dict(labels)}, "spec": {"template": {"labels": labels}}}
    assert "elm" not in str(portable(pod))


def test_the_releases_own_namespace_is_left_to_the_overlay() -> None:
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "a", "namespace": NAMESPACE},
        "subjects": [{"namespace": NAMESPACE}],
    }
    assert portable(binding) == {"kind": "RoleBinding", "metadata": {"name": "a"}, "subjects": [{}]}


def test_a_namespace_of_somebody_else_stays() -> None:
    application = {"kind": "Application", "metadata": {"name": "a", "namespace": "argocd"}}
    assert portable(application) == application


def test_a_namespace_inside_a_value_is_refused_since_no_overlay_could_change_it() -> None:
    config = {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"url": f"http://crud.{NAMESPACE}:8080"}}
    with pytest.raises(RenderingError, match="ConfigMap a has the namespace inside a value"):
        portable(config)


def test_two_objects_with_one_identity_are_refused() -> None:
    document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    with pytest.raises(ValueError, match="two objects"):
        parse(to_yaml(document, document))


def test_what_is_written_reads_as_it_was() -> None:
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"t": "x\ny\n", "n": "on"}}
    assert list(parse(to_yaml(document)).values()) == [document]


def test_values_are_merged_deeply_and_lists_are_replaced() -> None:
    assert merge({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}}) == {"a": {"b": 1, "c": [2]}}
