"""Declarations by the chart: a job applies them, and sync-k8s may do what they ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from charting.rendering import CHART, CHECKOUT, Manifest, RefusedError, of_kind, one, pod, render
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.rights import RBAC, plural_of, rules

EXAMPLES = {name: (CHECKOUT / "examples" / name / f"{name}.yaml").read_text() for name in ("tenants", "services")}
RIGHTS = "rowcast-rowcast-sync-k8s-renderers"
DECLARATION = {
    "apiVersion": "rowcast.dev/v1alpha1",
    "kind": "Renderer",
    "metadata": {"name": "shops"},
    "spec": {
        "source": {"table": "shops", "key": ["id"]},
        "name": "${row.slug}",
        "allow": {"kinds": ["ConfigMap"]},
        "manifests": [
            {
                "id": "settings",
                "template": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "${row.slug}"}},
            }
        ],
    },
}


def given(folder: Path, *settings: str, **values: Any) -> list[Manifest]:
    file = folder / f"{len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps(values))
    return render(*settings, values=file)


def declaration(**spec: Any) -> dict[str, Any]:
    return {**DECLARATION, "spec": {**DECLARATION["spec"], **spec}}  # type: ignore[dict-item]


def test_without_declarations_there_is_no_job_and_no_right() -> None:
    manifests = render()

    assert not [
        name for kind in ("Job", "ConfigMap", "ClusterRole") for name in of_kind(manifests, kind) if RIGHTS in name
    ]
    assert not any("renderers" in name for name in of_kind(manifests, "Job"))


def test_a_declaration_of_the_values_is_the_file_that_the_job_applies_as_the_owner(tmp_path: Path) -> None:
    manifests = given(tmp_path, renderers={**EXAMPLES, "shops": DECLARATION})

    job = pod(manifests, "renderers")
    (name,) = (volume["configMap"]["name"] for volume in job.spec["volumes"] if "configMap" in volume)
    files = one(manifests, "ConfigMap", name)["data"]
    assert {file: files[f"{file}.yaml"] for file in EXAMPLES} == EXAMPLES
    assert yaml.safe_load(files["shops.yaml"]) == DECLARATION
    assert job.spec["containers"][0]["command"][:4] == ["rowcast", "renderer", "apply", "--wait"]
    migrate = pod(manifests, "migrate").environment
    login = {"ROWCAST_SERVING_ROLE", "ROWCAST_DATABASE_URL", "ROWCAST_DATABASE_PASSWORD_FILE", "PGSSLMODE"}
    assert {key: job.environment[key] for key in login} == {key: migrate[key] for key in login}
    assert job.spec["restartPolicy"] == "Never"


def test_a_changed_declaration_is_another_job_and_the_same_one_is_the_same(tmp_path: Path) -> None:
    def job(**values: Any) -> str:
        (name,) = (name for name in of_kind(given(tmp_path, **values), "Job") if "renderers" in name)
        return name

    first = job(renderers={"shops": DECLARATION})
    assert job(renderers={"shops": DECLARATION}, ui={"enabled": False}) == first
    assert job(renderers={"shops": declaration(name="x-${row.slug}")}) != first


def test_sync_is_allowed_what_the_command_prints_for_the_same_declarations(tmp_path: Path) -> None:
    manifests = given(tmp_path, renderers=EXAMPLES)

    assert one(manifests, "ClusterRole", RIGHTS)["rules"] == rules(map(read_renderer, EXAMPLES.values()))
    binding = one(manifests, "ClusterRoleBinding", RIGHTS)
    assert binding["roleRef"]["name"] == RIGHTS
    (subject,) = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == ("rowcast-sync-k8s", "rowcast")


@pytest.mark.parametrize(
    "kinds", [["Role"], ["ClusterRole", "Role"], ["ClusterRoleBinding"], ["ClusterRole", "RoleBinding"]]
)
def test_who_makes_roles_and_bindings_is_allowed_to(tmp_path: Path, kinds: list[str]) -> None:
    allowed = [f"{RBAC}/{kind}" for kind in kinds]
    manifests = given(tmp_path, renderers={"shops": declaration(allow={"kinds": [*allowed, "ConfigMap"]})})

    asked = read_renderer(json.dumps(declaration(allow={"kinds": [*allowed, "ConfigMap"]})))
    assert one(manifests, "ClusterRole", RIGHTS)["rules"] == rules([asked])


def test_every_kind_that_the_chart_knows_is_called_as_the_command_calls_it() -> None:
    known = yaml.safe_load((CHART / "files" / "kinds.yaml").read_text())

    assert {kind: plural for kinds in known.values() for kind, plural in kinds.items()} == {
        kind: plural_of(kind) for kinds in known.values() for kind in kinds
    }


def test_a_kind_that_the_chart_does_not_know_is_named_until_the_values_say_what_it_is_called(tmp_path: Path) -> None:
    renderers = {"shops": declaration(allow={"kinds": ["example.com/Chassis", "ConfigMap"]})}

    with pytest.raises(RefusedError, match=r"renderers.shops: spec.allow.kinds has example.com/Chassis.*RBAC calls"):
        given(tmp_path, renderers=renderers)

    named = given(tmp_path, renderers=renderers, renderersRights={"plurals": {"example.com/Chassis": "chassis"}})
    assert [rule["resources"] for rule in one(named, "ClusterRole", RIGHTS)["rules"]] == [["configmaps"], ["chassis"]]
    only_git = given(tmp_path, "global.targets.k8s.enabled=false", renderers=renderers)
    assert not of_kind(only_git, "ClusterRole").keys() & {RIGHTS}


def test_declarations_of_a_configmap_bring_their_rules_along(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"renderersFrom.configMap needs renderersRights.rules"):
        render("renderersFrom.configMap=ours")

    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    manifests = given(tmp_path, renderersFrom={"configMap": "ours"}, renderersRights={"rules": [rule]})
    assert {"name": "renderers", "configMap": {"name": "ours"}} in pod(manifests, "renderers").spec["volumes"]
    assert one(manifests, "ClusterRole", RIGHTS)["rules"] == [rule]
    elsewhere = given(tmp_path, renderersFrom={"configMap": "ours"}, renderersRights={"elsewhere": True})
    assert not of_kind(elsewhere, "ClusterRole").keys() & {RIGHTS}


def test_another_cluster_gives_its_rights_itself(tmp_path: Path) -> None:
    manifests = given(tmp_path, "sync.k8s.kubeconfigSecret.name=other", renderers=EXAMPLES)

    assert not of_kind(manifests, "ClusterRole").keys() & {RIGHTS}
    assert pod(manifests, "renderers")


@pytest.mark.parametrize(
    ("renderers", "said"),
    [
        ({"shops": "a: [b"}, r"renderers\.shops is no YAML"),
        ({"shops": "kind: ConfigMap"}, r'its kind is "ConfigMap" and not Renderer'),
        ({"stores": DECLARATION}, r'renderers\.stores has metadata\.name "shops": call both the same'),
        ({"shops": declaration(allow={})}, r"spec\.allow\.kinds must be a list"),
        (
            {"shops": declaration(source={"table": "shops", "with": {"hosts": {"true": {"shop": "id"}}}})},
            r'spec\.source\.with\.hosts has a member `true`.*write "on" in quotes',
        ),
    ],
)
def test_what_can_be_no_declaration_is_refused_before_anything_is_installed(
    tmp_path: Path, renderers: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        given(tmp_path, "global.targets.k8s.enabled=false", renderers=renderers)
