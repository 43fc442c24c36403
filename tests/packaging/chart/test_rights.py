"""Who may do what at the Kubernetes API: these verbs on these resources, and not one more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from charting.rendering import CI_VALUES, of_kind, one, pod, render
from rowcast_local.parts.cluster_objects import VERBS

SYNC = [{"apiGroups": ["rowcast.dev"], "resources": ["appconfigs"], "verbs": VERBS}]
CRD = "customresourcedefinitions"
UPGRADE = [
    {
        "apiGroups": ["apiextensions.k8s.io"],
        "resources": [CRD],
        "verbs": ["get", "patch"],
        "resourceNames": ["appconfigs.rowcast.dev"],
    },
    {"apiGroups": ["apiextensions.k8s.io"], "resources": [CRD], "verbs": ["create"]},
]

FLUX = [
    {
        "apiGroups": ["rowcast.dev"],
        "resources": ["appconfigs"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }
]
ENGINES = {
    "git-argocd-values": [
        {
            "apiGroups": ["argoproj.io"],
            "resources": ["applications"],
            "resourceNames": ["rowcast"],
            "verbs": ["get", "list", "watch", "patch"],
        }
    ],
    "git-flux-values": [
        {
            "apiGroups": ["source.toolkit.fluxcd.io"],
            "resources": ["gitrepositories"],
            "resourceNames": ["rowcast"],
            "verbs": ["patch"],
        },
        {
            "apiGroups": ["kustomize.toolkit.fluxcd.io"],
            "resources": ["kustomizations"],
            "resourceNames": ["rowcast"],
            "verbs": ["get", "list", "watch"],
        },
    ],
}
DECLARED = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": VERBS},
    {"apiGroups": ["example.com"], "resources": ["proxies"], "verbs": VERBS},
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": VERBS},
    {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles", "roles"], "verbs": ["bind"]},
]
SECRETS = [
    {
        "apiGroups": [""],
        "resources": ["secrets"],
        "verbs": ["get", "patch"],
        "resourceNames": [
            "rowcast-postgres",
            "rowcast-kafka",
            "rowcast-connect",
            "rowcast-git-server",
            "rowcast-dapr-api-token",
            "rowcast-dapr-app-token",
        ],
    },
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
]
"""Of the hook that makes what is not there yet: those by name, and no right to see others."""


def _rules(manifests: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    roles = {**of_kind(manifests, "Role"), **of_kind(manifests, "ClusterRole")}
    return {name: role["rules"] for name, role in roles.items()}


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_there_are_these_rights_and_no_others(values: Path) -> None:
    known = {
        "rowcast-sync-k8s": SYNC,
        "rowcast-sync-k8s-us": SYNC,
        "rowcast-rowcast-crds": UPGRADE,
        "rowcast-sync-git": ENGINES.get(values.stem),
        "rowcast-flux": FLUX,
        "rowcast-rowcast-sync-k8s-renderers": DECLARED,
        "rowcast-secrets": SECRETS,
    }

    for name, rules in _rules(render(values=values)).items():
        assert rules == known[name]


def test_sync_may_do_what_it_asks_for_and_what_it_does() -> None:
    assert set(VERBS) == {"get", "list", "watch", "create", "patch", "delete"}
    manifests = render()

    binding = one(manifests, "RoleBinding", "rowcast-sync-k8s")
    (subject,) = binding["subjects"]
    assert (subject["kind"], subject["name"]) == ("ServiceAccount", "rowcast-sync-k8s")
    assert pod(manifests, "sync-k8s").spec["serviceAccountName"] == "rowcast-sync-k8s"


def test_rights_are_where_the_resources_go() -> None:
    manifests = render("global.targets.k8s.namespace=team-a")

    assert one(manifests, "Role", "rowcast-sync-k8s")["metadata"]["namespace"] == "team-a"
    assert one(manifests, "RoleBinding", "rowcast-sync-k8s")["subjects"][0]["namespace"] == "rowcast"
    assert pod(manifests, "sync-k8s").environment["ROWCAST_NAMESPACE"] == "team-a"


def test_an_environment_with_a_namespace_of_its_own_has_the_rights_there_too(tmp_path: Path) -> None:
    own = {"prod": {"namespace": "team-prod"}, "far": {"namespace": "x", "kubeconfig": "/etc/far"}, "sandbox": None}
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"sync": {"k8s": {"environments": own}}}))
    manifests = render(values=values)

    roles = [
        manifest for manifest in manifests if manifest["kind"] == "Role" and "sync" in manifest["metadata"]["name"]
    ]
    assert {role["metadata"]["namespace"] for role in roles} == {"rowcast", "team-prod"}
    assert all(role["rules"] == SYNC for role in roles)
    assert json.loads(pod(manifests, "sync-k8s").environment["ROWCAST_ENVIRONMENTS"]) == own


def test_another_cluster_is_reached_by_a_kubeconfig_and_needs_no_rights_in_this_one() -> None:
    manifests = render("sync.k8s.kubeconfigSecret.name=other", "crds.upgrade=false")

    assert _rules(manifests) == {}
    sync = pod(manifests, "sync-k8s")
    assert sync.environment["KUBECONFIG"] == "/etc/rowcast/kubeconfig/kubeconfig"
    assert sync.spec["automountServiceAccountToken"] is False


def test_the_rights_to_the_resource_type_are_there_only_while_the_hook_runs() -> None:
    manifests = render()

    for kind, name in (
        ("ClusterRole", "rowcast-rowcast-crds"),
        ("ClusterRoleBinding", "rowcast-rowcast-crds"),
        ("ServiceAccount", "rowcast-crds"),
        ("Job", "rowcast-crds"),
    ):
        annotations = one(manifests, kind, name)["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-upgrade"
        assert "hook-succeeded" in annotations["helm.sh/hook-delete-policy"]
