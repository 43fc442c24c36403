"""Dapr: who may call whom, who sees the broker, and which secrets stand between."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from pydantic import SecretStr

from charting.rendering import CHECKOUT, of_kind, one, pod, pods, render
from rowcast.brokers.jetstream import stream_name
from rowcast.brokers.rabbitmq import queue_name
from rowcast.crud.app import create_app
from rowcast.crud.settings import CrudSettings

APPS = ("crud", "sync-k8s", "sync-git", "ui")
KINDS = ("kafka", "redis", "rabbitmq", "jetstream")
ENGINE = "global.capture.kind=engine"
OF_THE_VERSION_BEFORE = {"/appconfigs:snapshot", "/appconfigs:late"}
"""What a sync of before calls, which runs beside this version's crud in an upgrade."""
SYNCS = {
    "/appconfigs:snapshot": ["GET"],
    "/appconfigs:late": ["GET"],
    "/rows:snapshot": ["GET"],
    "/rows:late": ["GET"],
    "/renderers": ["GET"],
    "/deadletters:arrived": ["GET"],
    "/deadletters:unanswered": ["GET"],
    "/deadletters:answered": ["POST"],
    "/statuses:missed": ["POST"],
}


def _allowed(policy: dict[str, Any]) -> dict[str, list[str]]:
    """The routes by name, with their verbs; everything else is refused."""
    assert policy["defaultAction"] == "deny"
    assert {operation["action"] for operation in policy["operations"]} == {"allow"}
    return {operation["name"]: operation["httpVerb"] for operation in policy["operations"]}


def test_only_crud_is_called_and_by_nobody_but_those_named() -> None:
    access = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]

    assert access["defaultAction"] == "deny"
    assert [policy["appId"] for policy in access["policies"]] == ["ui", "rowcast-check", "sync-k8s", "sync-git"]
    assert {policy["namespace"] for policy in access["policies"]} == {"rowcast"}
    assert {policy["defaultAction"] for policy in access["policies"]} == {"deny"}


def _first_parts(paths: Iterable[str]) -> set[str]:
    """Dapr decides by the first part of a path that is named: the rest is below it."""
    return {"/" + path.split("/")[1] for path in paths}


def test_the_dashboard_may_call_every_route_of_the_api_and_no_other() -> None:
    (policy, *_) = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]["policies"]
    api = create_app(CrudSettings(database_url=SecretStr("postgresql://u@h/n"))).openapi()["paths"]
    brokers = {"/events", "/dapr"}

    assert _allowed(policy).keys() == _first_parts(api) - (SYNCS.keys() - {"/renderers"}) - brokers
    assert SYNCS.keys() | brokers <= _first_parts(api)
    assert not [name for name in _allowed(policy) if "*" in name]


def test_the_check_may_call_what_it_calls() -> None:
    policies = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]["policies"]

    assert _allowed(policies[1]) == {"/appconfigs": ["*"]}


def test_sync_may_call_what_it_calls_and_nothing_else() -> None:
    policies = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]["policies"]
    code = "".join(path.read_text() for path in (CHECKOUT / "services" / "rowcast" / "sync").rglob("*.py"))
    called = set(re.findall(r"/(?:rows|deadletters|statuses):[a-z]+", code)) | set(re.findall(r"/renderers(?=/)", code))

    for policy in policies:
        if policy["appId"].startswith("sync-"):
            assert _allowed(policy) == SYNCS
            assert called | OF_THE_VERSION_BEFORE == SYNCS.keys()


def test_only_crud_calls_the_others_and_only_what_the_dashboard_asks_it() -> None:
    manifests = render(ENGINE)
    closed = one(manifests, "Configuration", "rowcast-closed")["spec"]["accessControl"]

    assert closed["defaultAction"] == "deny"
    (policy,) = closed["policies"]
    assert (policy["appId"], policy["defaultAction"]) == ("crud", "deny")
    assert {one["name"]: one["httpVerb"] for one in policy["operations"]} == {
        "/facts": ["GET"],
        "/preview": ["POST"],
        "/live": ["GET"],
        "/reconcile": ["GET", "POST"],
    }
    assert {one["action"] for one in policy["operations"]} == {"allow"}
    used = {app: pod(manifests, app).annotations["dapr.io/config"] for app in (*APPS, "check", "capture")}
    others = ("sync-k8s", "sync-git", "ui", "check", "capture")
    assert used == {"crud": "rowcast", **dict.fromkeys(others, "rowcast-closed")}


def test_the_broker_is_for_those_who_publish_and_subscribe() -> None:
    component = one(render(), "Component", "pubsub")

    assert component["scopes"] == ["crud", "sync-k8s", "sync-git", "capture"]
    assert component["auth"] == {"secretStore": "kubernetes"}


def test_every_application_shows_and_wants_a_token() -> None:
    manifests = render(ENGINE)

    for app in (*APPS, "capture"):
        one_pod = pod(manifests, app)
        assert one_pod.annotations["dapr.io/api-token-secret"] == "rowcast-dapr-api-token"
        assert one_pod.environment["DAPR_API_TOKEN"] == {
            "secretKeyRef": {"name": "rowcast-dapr-api-token", "key": "token"}
        }
    for app in ("crud", "sync-k8s", "sync-git", "capture"):
        one_pod = pod(manifests, app)
        # The injector gives them to the sidecar only.
        assert one_pod.annotations["dapr.io/app-token-secret"] == "rowcast-dapr-app-token"
        assert one_pod.environment["APP_API_TOKEN"] == {
            "secretKeyRef": {"name": "rowcast-dapr-app-token", "key": "token"}
        }


def test_sidecars_are_bounded_and_restricted_as_far_as_annotations_go() -> None:
    for one_pod in pods(render()):
        annotations = one_pod.annotations
        if "dapr.io/enabled" not in annotations:
            continue
        assert annotations["dapr.io/sidecar-seccomp-profile-type"] == "RuntimeDefault"
        assert {"dapr.io/sidecar-cpu-request", "dapr.io/sidecar-memory-request", "dapr.io/sidecar-memory-limit"} <= (
            annotations.keys()
        )
        assert annotations["dapr.io/log-as-json"] == "true"
        assert all(isinstance(value, str) for value in annotations.values())


def test_jobs_have_no_sidecar() -> None:
    for one_pod in pods(render()):
        if one_pod.owner.startswith("Job"):
            assert "dapr.io/enabled" not in one_pod.annotations


def test_the_sidecars_image_is_the_control_planes_unless_named() -> None:
    assert "dapr.io/sidecar-image" not in pod(render(), "crud").annotations
    named = pod(render("global.dapr.sidecar.image=mine.example/daprd:1.18.0"), "crud").annotations
    assert named["dapr.io/sidecar-image"] == "mine.example/daprd:1.18.0"


def test_traces_go_where_they_are_told_to() -> None:
    manifests = render("global.dapr.tracing.otel.endpoint=otel:4317")

    for configuration in of_kind(manifests, "Configuration").values():
        assert configuration["spec"]["tracing"]["otel"] == {
            "endpointAddress": "otel:4317",
            "protocol": "http",
            "isSecure": False,
        }
    for part in ("crud", "sync-k8s", "sync-git", "ui"):
        assert pod(manifests, part).environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel:4317"


READERS = {
    "kafka": ("consumerGroup",),
    "redis": ("consumerID",),
    "rabbitmq": ("consumerID",),
    "jetstream": ("durableName", "queueGroupName"),
}
# What KEDA looks at: of which topic, and whose.
LOOKED_AT = {
    "kafka": ("{prefix}.public.app_configs", "{prefix}-sync-k8s"),
    "redis": ("{prefix}.public.app_configs", "{prefix}-sync-k8s"),
    "rabbitmq": ("{prefix}-sync-k8s-{prefix}.public.app_configs",),
    "jetstream": ("{prefix}_public_app_configs", "{prefix}-sync-k8s"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_platforms_on_one_broker_share_neither_topic_nor_reader(kind: str) -> None:
    prefix = "team-a"
    options = ("sync.k8s.autoscaling.engine=keda", f"global.broker.kind={kind}", ENGINE)
    manifests = render(f"global.kafka.topicPrefix={prefix}", *options)
    metadata = {
        entry["name"]: entry.get("value") for entry in one(manifests, "Component", "pubsub")["spec"]["metadata"]
    }

    for scopes in ("publishingScopes", "subscriptionScopes"):
        topics = [topic for entry in metadata[scopes].split(";") for topic in entry.split("=")[1].split(",")]
        assert all(topic.startswith(f"{prefix}.") for topic in topics)
    for name in READERS[kind]:
        assert metadata[name] == f"{prefix}-{{appID}}"
    capture = pod(manifests, "capture").environment
    assert capture["ROWCAST_BROKER_CONSUMER"] == f"{prefix}-{{appID}}"
    for app in ("crud", "sync-k8s", "sync-git", "capture"):
        assert pod(manifests, app).environment["ROWCAST_TOPIC_PREFIX"] == prefix
    (trigger,) = one(manifests, "ScaledObject", "rowcast-sync-k8s")["spec"]["triggers"]
    assert {each.format(prefix=prefix) for each in LOOKED_AT[kind]} <= set(trigger["metadata"].values())


def test_the_connector_writes_to_the_topics_of_the_prefix() -> None:
    manifests = render("global.kafka.topicPrefix=team-a")
    assert "--topic-prefix=team-a" in pod(manifests, "connector").containers[0]["command"]


@pytest.mark.parametrize(("kind", "queue"), [("rabbitmq", queue_name), ("jetstream", stream_name)])
def test_the_scaler_looks_where_capture_has_made_something(kind: str, queue: Callable[..., str]) -> None:
    manifests = render(f"global.broker.kind={kind}", "sync.k8s.autoscaling.engine=keda")
    (trigger,) = one(manifests, "ScaledObject", "rowcast-sync-k8s")["spec"]["triggers"]
    topic = "rowcast.public.app_configs"

    made = queue(topic, "rowcast-sync-k8s") if kind == "rabbitmq" else queue(topic)
    assert made in trigger["metadata"].values()
