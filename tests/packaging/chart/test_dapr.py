"""Dapr: who may call whom, who sees the broker, and which secrets stand between."""

from __future__ import annotations

from charting.rendering import of_kind, one, pod, pods, render

APPS = ("crud", "sync-k8s", "sync-git", "ui")


def test_only_crud_is_called_and_by_nobody_but_those_named() -> None:
    access = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]

    assert access["defaultAction"] == "deny"
    assert {policy["appId"]: policy["defaultAction"] for policy in access["policies"]} == {
        "ui": "allow",
        "rowcast-check": "allow",
        "sync-k8s": "deny",
        "sync-git": "deny",
    }
    assert {policy["namespace"] for policy in access["policies"]} == {"rowcast"}


def test_nobody_calls_what_is_for_the_broker() -> None:
    policies = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]["policies"]

    for policy in policies:
        if policy["defaultAction"] == "allow":
            denied = {one["name"]: (one["httpVerb"], one["action"]) for one in policy["operations"]}
            assert denied == dict.fromkeys(("/events/*", "/dapr/*"), (["*"], "deny"))


def test_sync_may_read_the_table_and_nothing_else() -> None:
    policies = one(render(), "Configuration", "rowcast")["spec"]["accessControl"]["policies"]

    for policy in policies:
        if policy["appId"].startswith("sync-"):
            routes = ["/appconfigs:snapshot", "/appconfigs:late"]
            assert policy["operations"] == [{"name": one, "httpVerb": ["GET"], "action": "allow"} for one in routes]


def test_only_crud_calls_the_others_and_only_what_the_dashboard_asks_it() -> None:
    manifests = render()
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
    used = {app: pod(manifests, app).annotations["dapr.io/config"] for app in (*APPS, "check")}
    assert used == {"crud": "rowcast", **dict.fromkeys(("sync-k8s", "sync-git", "ui", "check"), "rowcast-closed")}


def test_the_broker_is_for_those_who_publish_and_subscribe() -> None:
    component = one(render(), "Component", "pubsub")

    assert component["scopes"] == ["crud", "sync-k8s", "sync-git"]
    assert component["auth"] == {"secretStore": "kubernetes"}


def test_every_application_shows_and_wants_a_token() -> None:
    manifests = render()

    for app in APPS:
        one_pod = pod(manifests, app)
        assert one_pod.annotations["dapr.io/api-token-secret"] == "rowcast-dapr-api-token"
        assert one_pod.environment["DAPR_API_TOKEN"] == {
            "secretKeyRef": {"name": "rowcast-dapr-api-token", "key": "token"}
        }
    for app in ("crud", "sync-k8s", "sync-git"):
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


def test_platforms_on_one_broker_share_neither_topic_nor_group() -> None:
    prefix = "team-a"
    manifests = render(f"global.kafka.topicPrefix={prefix}", "sync.k8s.autoscaling.engine=keda")
    metadata = {
        entry["name"]: entry.get("value") for entry in one(manifests, "Component", "pubsub")["spec"]["metadata"]
    }

    for scopes in ("publishingScopes", "subscriptionScopes"):
        topics = [topic for entry in metadata[scopes].split(";") for topic in entry.split("=")[1].split(",")]
        assert all(topic.startswith(f"{prefix}.") for topic in topics)
    assert metadata["consumerGroup"] == f"{prefix}-{{appID}}"
    for app in ("crud", "sync-k8s", "sync-git"):
        assert pod(manifests, app).environment["ROWCAST_TOPIC_PREFIX"] == prefix
    assert f"--topic-prefix={prefix}" in pod(manifests, "connector").containers[0]["command"]
    (trigger,) = one(manifests, "ScaledObject", "rowcast-sync-k8s")["spec"]["triggers"]
    assert trigger["metadata"]["consumerGroup"] == f"{prefix}-sync-k8s"
    assert trigger["metadata"]["topic"] == f"{prefix}.public.app_configs"


def test_the_check_asks_for_the_targets_that_there_are() -> None:
    both, one_only = render(), render("global.targets.git.enabled=false")

    assert pod(both, "check").containers[0]["command"][-2:] == ["--target=k8s", "--target=git"]
    assert pod(one_only, "check").containers[0]["command"][-1] == "--target=k8s"
    assert pod(one_only, "crud").environment["ROWCAST_TARGETS"] == "k8s"
    check = pod(both, "check")
    assert check.annotations["helm.sh/hook"] == "test"
    assert check.annotations["dapr.io/app-id"] == "rowcast-check"
    assert "--shutdown-sidecar" in check.containers[0]["command"]
