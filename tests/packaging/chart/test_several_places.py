"""Targets of names of their own: each has what a target of its kind has, and nothing of another one's."""

from __future__ import annotations

from typing import Any

import pytest

from charting.rendering import CHART, Manifest, of_kind, one, pod, render

VALUES = CHART / "ci" / "several-places-values.yaml"
NAMED = ("git-us", "k8s-eu", "k8s-us")


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    declared = [
        f"renderersRights.rules[0].{part}" for part in ("apiGroups[0]=", "resources[0]=configmaps", "verbs[0]=get")
    ]
    options = ("networkPolicies.egress=true", "monitoring.podMonitor.enabled=true", "renderersFrom.configMap=mine")
    return render(*options, *declared, values=VALUES)


def environment(manifests: list[Manifest], part: str) -> dict[str, Any]:
    (container,) = [each for each in pod(manifests, part).spec["containers"] if each["name"] == part]
    return {entry["name"]: entry.get("value") for entry in container["env"]}


def test_each_delivers_to_its_own_place(manifests: list[Manifest]) -> None:
    eu, us, git = (environment(manifests, f"sync-{name}") for name in ("k8s-eu", "k8s-us", "git-us"))

    assert [(one["ROWCAST_TARGET"], one["ROWCAST_TARGET_KIND"]) for one in (eu, us, git)] == [
        ("k8s-eu", "k8s"),
        ("k8s-us", "k8s"),
        ("git-us", "git"),
    ]
    assert (eu["ROWCAST_NAMESPACE"], eu["KUBECONFIG"], eu["ROWCAST_KUBE_CONTEXT"]) == (
        "apps",
        "/etc/rowcast/kubeconfig/kubeconfig",
        "eu",
    )
    assert (us["ROWCAST_NAMESPACE"], us.get("KUBECONFIG")) == ("team-b", None)
    assert (git["ROWCAST_GIT_URL"], git["ROWCAST_GIT_BRANCH"]) == ("https://git.example:8443/us.git", "us")
    volumes = {volume["name"]: volume for volume in pod(manifests, "sync-k8s-eu").spec["volumes"]}
    assert volumes["kubeconfig"]["secret"]["secretName"] == "eu-kubeconfig"


def test_the_environments_of_one_are_no_other_ones(manifests: list[Manifest]) -> None:
    assert environment(manifests, "sync-k8s")["ROWCAST_ENVIRONMENTS"] == '{"sandbox":null}'
    assert environment(manifests, "sync-k8s-eu")["ROWCAST_ENVIRONMENTS"] == '{"*":null,"eu":{}}'
    assert "ROWCAST_ENVIRONMENTS" not in environment(manifests, "sync-k8s-us")


def test_what_one_does_not_say_is_said_for_its_kind(manifests: list[Manifest]) -> None:
    assert one(manifests, "Deployment", "rowcast-sync-k8s-us")["spec"]["replicas"] == 2
    assert "rowcast-sync-k8s-us" in of_kind(manifests, "PodDisruptionBudget")
    (scaled,) = of_kind(manifests, "ScaledObject").values()
    assert scaled["spec"]["scaleTargetRef"]["name"] == "rowcast-sync-k8s-eu"
    assert scaled["spec"]["triggers"][0]["metadata"]["consumerGroup"] == "rowcast-sync-k8s-eu"


def test_crud_and_the_check_know_all_that_are_enabled(manifests: list[Manifest]) -> None:
    assert environment(manifests, "crud")["ROWCAST_TARGETS"] == "k8s,git,git-us=git,k8s-eu=k8s,k8s-us=k8s"
    check = one(manifests, "Pod", "rowcast-check")["spec"]["containers"][0]["command"]
    assert [part for part in check if part.startswith("--target=")] == [
        f"--target={name}" for name in ("k8s", "git", *NAMED)
    ]


def test_each_has_its_own_topics_and_may_ask_crud_what_a_target_may(manifests: list[Manifest]) -> None:
    pubsub = one(manifests, "Component", "pubsub")
    scopes = {each["name"]: dict(part.split("=") for part in each["value"].split(";")) for each in _scopes(pubsub)}
    allowed = {
        policy["appId"]: policy["operations"]
        for policy in one(manifests, "Configuration", "rowcast")["spec"]["accessControl"]["policies"]
    }
    resiliency = one(manifests, "Resiliency", "rowcast")["scopes"]
    for name in NAMED:
        app = f"sync-{name}"
        assert scopes["subscriptionScopes"][app] == f"rowcast.public.app_configs,rowcast.replay.{name}"
        assert f"rowcast.replay.{name}" in scopes["publishingScopes"]["crud"].split(",")
        assert app in pubsub["scopes"]
        assert app in resiliency
        assert allowed[app] == allowed["sync-k8s"]


def _scopes(pubsub: Manifest) -> list[dict[str, str]]:
    return [each for each in pubsub["spec"]["metadata"] if each["name"].endswith("Scopes")]


def test_what_is_in_this_cluster_is_allowed_to_an_account_of_its_own(manifests: list[Manifest]) -> None:
    roles = of_kind(manifests, "Role")
    assert roles["rowcast-sync-k8s-us"]["metadata"]["namespace"] == "team-b"
    assert "rowcast-sync-k8s-eu" not in roles
    bound = {
        subject["name"]
        for each in of_kind(manifests, "ClusterRoleBinding").values()
        for subject in each["subjects"]
        if "sync" in subject["name"]
    }
    assert bound == {"rowcast-sync-k8s", "rowcast-sync-k8s-us"}
    assert pod(manifests, "sync-k8s-us").spec["serviceAccountName"] == "rowcast-sync-k8s-us"
    assert pod(manifests, "sync-k8s-eu").spec["automountServiceAccountToken"] is False


def test_the_network_and_the_metrics_know_them(manifests: list[Manifest]) -> None:
    def parts(name: str) -> list[str]:
        (chosen,) = one(manifests, "NetworkPolicy", f"rowcast-{name}")["spec"]["podSelector"]["matchExpressions"]
        return list(chosen["values"])

    assert {"sync-k8s-eu", "sync-k8s-us"} <= set(parts("to-api-server"))
    assert "sync-git-us" not in parts("to-api-server")
    assert {f"sync-{name}" for name in NAMED} <= set(parts("call-crud")) & set(parts("to-broker")) & set(parts("sync"))
    to_git = one(manifests, "NetworkPolicy", "rowcast-to-git-git-us")["spec"]
    assert [port["port"] for rule in to_git["egress"] for port in rule["ports"]] == [8443]
    for monitor in of_kind(manifests, "PodMonitor").values():
        (chosen,) = monitor["spec"]["selector"]["matchExpressions"]
        assert {f"sync-{name}" for name in NAMED} <= set(chosen["values"])
