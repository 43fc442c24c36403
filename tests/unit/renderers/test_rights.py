"""What declarations need at the API server, by kind."""

from __future__ import annotations

import json

from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.rights import RBAC, VERBS, needs


def renderer(name: str, *kinds: str) -> Renderer:
    template = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    spec = {
        "source": {"table": "shops", "key": ["id"]},
        "name": "a",
        "allow": {"kinds": ["ConfigMap", *kinds]},
        "manifests": [{"id": "a", "template": template}],
    }
    head = {"apiVersion": "rowcast.dev/v1alpha1", "kind": "Renderer", "metadata": {"name": name}}
    return read_renderer(json.dumps({**head, "spec": spec}))


CALLED = {"ConfigMap": "configmaps", "argoproj.io/Application": "applications", f"{RBAC}/RoleBinding": "rolebindings"}


def test_a_kind_is_needed_by_all_who_allow_it_under_the_name_that_the_api_server_has() -> None:
    found = needs([renderer("shops", "argoproj.io/Application"), renderer("banks")], CALLED)

    assert found == [
        Need("ConfigMap", "", "configmaps", tuple(VERBS), ("banks", "shops")),
        Need("argoproj.io/Application", "argoproj.io", "applications", tuple(VERBS), ("shops",)),
    ]


def test_of_a_kind_that_the_api_server_has_not_nothing_can_be_asked() -> None:
    assert needs([renderer("shops", "example.com/Widget")], CALLED)[1].resource == ""


def test_who_makes_bindings_needs_to_bind() -> None:
    beside = needs([renderer("shops", f"{RBAC}/RoleBinding"), renderer("banks")], CALLED)[2:]

    assert [(one.resource, one.verbs, one.renderers) for one in beside] == [
        ("clusterroles", ("bind",), ("shops",)),
        ("roles", ("bind",), ("shops",)),
    ]


def test_our_own_kind_is_allowed_where_it_is_and_not_everywhere() -> None:
    assert [one.kind for one in needs([renderer("shops", "rowcast.dev/AppConfig")], CALLED)] == ["ConfigMap"]
