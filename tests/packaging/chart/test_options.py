"""What is there only when asked for: scaling, monitoring, an open door, disruption budgets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from charting.rendering import CHART, RefusedError, of_kind, one, pod, render

PRODUCTION = CHART / "ci" / "production-values.yaml"
OPTIONAL = {
    "HTTPRoute", "HorizontalPodAutoscaler", "Ingress", "PodDisruptionBudget",
    "PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication",
}  # fmt: skip


def test_none_of_it_is_there_by_default() -> None:
    assert not {manifest["kind"] for manifest in render()} & OPTIONAL


def test_a_scaler_sets_the_number_of_pods_and_the_deployment_does_not() -> None:
    for engine, kind in (("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject")):
        manifests = render(f"sync.k8s.autoscaling.engine={engine}")

        assert "replicas" not in one(manifests, "Deployment", "rowcast-sync-k8s")["spec"]
        assert one(manifests, kind, "rowcast-sync-k8s")["spec"]["scaleTargetRef"]["name"] == "rowcast-sync-k8s"
        assert one(manifests, "Deployment", "rowcast-sync-git")["spec"]["replicas"] == 1


def test_a_number_of_none_is_a_number() -> None:
    assert one(render("sync.git.replicas=0"), "Deployment", "rowcast-sync-git")["spec"]["replicas"] == 0


def test_keda_asks_the_broker_with_the_login_and_the_authority_of_the_others() -> None:
    manifests = render(values=CHART / "ci" / "own-kafka-values.yaml")
    (trigger,) = one(manifests, "ScaledObject", "rowcast-sync-k8s")["spec"]["triggers"]
    login = one(manifests, "TriggerAuthentication", "rowcast-sync-k8s")["spec"]["secretTargetRef"]

    assert trigger["metadata"]["sasl"] == "plaintext"
    assert trigger["metadata"]["tls"] == "enable"
    assert trigger["authenticationRef"] == {"name": "rowcast-sync-k8s"}
    assert [entry["parameter"] for entry in login] == ["username", "password", "ca"]


@pytest.mark.parametrize(("mechanism", "word"), [("SCRAM-SHA-256", "scram_sha256"), ("SCRAM-SHA-512", "scram_sha512")])
def test_keda_has_its_own_words_for_the_ways_to_log_in(mechanism: str, word: str) -> None:
    manifests = render(
        "sync.k8s.autoscaling.engine=keda",
        "kafka.enabled=false",
        "global.kafka.brokers=k:9092",
        f"global.kafka.sasl.mechanism={mechanism}",
        "global.kafka.sasl.existingSecret=login",
    )
    (trigger,) = one(manifests, "ScaledObject", "rowcast-sync-k8s")["spec"]["triggers"]

    assert trigger["metadata"]["sasl"] == word


TRIGGERS = {
    "own-redis-values": ("redis-streams", ["username", "password", "ca"]),
    "own-rabbitmq-values": ("rabbitmq", ["host", "ca"]),
    "own-jetstream-values": ("nats-jetstream", None),
}


@pytest.mark.parametrize("values", TRIGGERS)
def test_keda_asks_each_kind_of_broker_in_its_own_way(values: str) -> None:
    manifests = render(values=CHART / "ci" / f"{values}.yaml")
    (trigger,) = one(manifests, "ScaledObject", "rowcast-sync-k8s")["spec"]["triggers"]
    logins = of_kind(manifests, "TriggerAuthentication")

    kind, parameters = TRIGGERS[values]
    assert trigger["type"] == kind
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    assert ("authenticationRef" in trigger) is (parameters is not None)
    given = [entry["parameter"] for login in logins.values() for entry in login["spec"]["secretTargetRef"]]
    assert given == (parameters or [])


def test_metrics_are_scraped_from_the_ports_that_have_them() -> None:
    monitors = of_kind(render("monitoring.podMonitor.enabled=true"), "PodMonitor")
    scraped = {
        name: (
            monitor["spec"]["podMetricsEndpoints"][0]["port"],
            monitor["spec"]["selector"]["matchExpressions"][0]["values"],
        )
        for name, monitor in monitors.items()
    }

    assert scraped == {
        "rowcast-services": ("http", ["crud", "sync-k8s", "sync-git"]),
        "rowcast-sidecars": ("dapr-metrics", ["crud", "sync-k8s", "sync-git", "ui"]),
    }
    engine = render("monitoring.podMonitor.enabled=true", "global.capture.kind=engine")
    for monitor in of_kind(engine, "PodMonitor").values():
        assert "capture" in monitor["spec"]["selector"]["matchExpressions"][0]["values"]
    for component in ("crud", "sync-k8s", "sync-git"):
        assert pod(render(), component).containers[0]["ports"] == [{"name": "http", "containerPort": 8080}]


def test_the_dashboards_door_has_the_name_and_the_certificate_that_it_is_given() -> None:
    ingress = one(render(values=PRODUCTION), "Ingress", "rowcast-ui")["spec"]

    assert ingress["ingressClassName"] == "nginx"
    assert ingress["tls"] == [{"hosts": ["rowcast.example"], "secretName": "rowcast-tls"}]
    (path,) = ingress["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "rowcast-ui", "port": {"name": "http"}}


@pytest.mark.parametrize("way", [("ui.ingress.enabled=true", "ui.ingress.host=h"), ("ui.service.type=LoadBalancer",)])
@pytest.mark.parametrize("login", ["ui.login.mode=none", "ui.login.mode=required", "ui.login.existingSecret=s"])
def test_a_way_in_from_outside_needs_a_word_about_the_login(way: tuple[str, ...], login: str) -> None:
    assert render(*way, login)


def test_a_login_that_is_there_is_required() -> None:
    for setting, expected in (
        ("ui.login.existingSecret=s", "required"),
        ("ui.login.mode=required", "required"),
        ("ui.login.mode=none", "none"),
        ("ui.enabled=true", None),
    ):
        (container,) = pod(render(setting), "ui").containers
        environment = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert environment.get("ROWCAST_LOGIN") == expected
        # Off the loopback those whom no list names look and change nothing.
        assert environment["STREAMLIT_SERVER_ADDRESS"] == "0.0.0.0"
        assert "ROWCAST_ROLE" not in environment


def test_the_logins_secret_is_where_streamlit_looks_for_it() -> None:
    spec = one(render("ui.login.existingSecret=s"), "Deployment", "rowcast-ui")["spec"]["template"]["spec"]
    assert {"name": "login", "secret": {"secretName": "s"}} in spec["volumes"]
    (mount,) = (mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "login")
    assert (mount["mountPath"], mount["subPath"]) == ("/app/.streamlit/secrets.toml", "secrets.toml")


AUTH = (
    "ui.auth.serverMetadataUrl=https://login.example/.well-known/openid-configuration",
    "ui.auth.redirectUri=https://rowcast.example/oauth2callback",
    "ui.auth.clientId=rowcast",
    "ui.auth.existingSecret=oidc",
)


def test_a_login_by_values_becomes_the_file_that_streamlit_reads(tmp_path: Path) -> None:
    spec = pod(
        render(
            *AUTH,
            "ui.auth.clientKwargs.scope=openid groups",
            "ui.auth.exposeTokens={id}",
            "ui.ingress.enabled=true",
            "ui.ingress.host=h",
        ),
        "ui",
    ).spec
    (writer,) = spec["initContainers"]
    environment = {each["name"]: each.get("value", 'it\'s "secret"') for each in writer["env"]}
    script = writer["command"][2].replace("/login/", f"{tmp_path}/")
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **environment}, check=True, timeout=60)

    auth = tomllib.loads((tmp_path / "secrets.toml").read_text())["auth"]
    assert auth == {
        "redirect_uri": "https://rowcast.example/oauth2callback",
        "client_id": "rowcast",
        "server_metadata_url": "https://login.example/.well-known/openid-configuration",
        "client_secret": 'it\'s "secret"',
        "cookie_secret": 'it\'s "secret"',
        "client_kwargs": {"scope": "openid groups"},
        "expose_tokens": ["id"],
    }
    referred = {each["valueFrom"]["secretKeyRef"]["key"] for each in writer["env"] if "valueFrom" in each}
    assert referred == {"client-secret", "cookie-secret"}
    (container,) = spec["containers"]
    assert {"name": "ROWCAST_LOGIN", "value": "required"} in container["env"]
    assert "/app/.streamlit/secrets.toml" in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("other", ["ui.login.existingSecret=s", "ui.login.mode=none", "ui.auth.clientId="])
def test_a_login_by_values_is_whole_and_the_only_one(other: str) -> None:
    with pytest.raises(RefusedError, match=r"ui\.auth\.serverMetadataUrl"):
        render(*AUTH, other)


def test_the_dashboard_is_ready_by_its_own_word_and_lives_without_it() -> None:
    (container,) = pod(render(), "ui").containers
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


def test_budgets_select_the_pods_that_they_are_for() -> None:
    manifests = render(values=PRODUCTION)

    for name, budget in of_kind(manifests, "PodDisruptionBudget").items():
        component = name.removeprefix("rowcast-")
        labels = pod(manifests, component).metadata["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert of_kind(manifests, "PodDisruptionBudget").keys() == {"rowcast-crud", "rowcast-ui", "rowcast-sync-k8s"}


def test_alerts_and_dashboard_are_the_files_of_the_chart() -> None:
    manifests = render(values=PRODUCTION)
    rules = one(manifests, "PrometheusRule", "rowcast")["spec"]
    dashboard = one(manifests, "ConfigMap", "rowcast-dashboard")

    assert rules == yaml.safe_load((CHART / "files" / "prometheus-rules.yaml").read_text())
    assert json.loads(dashboard["data"]["rowcast.json"]) == json.loads(
        (CHART / "files" / "grafana-dashboard.json").read_text()
    )
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_the_resource_type_is_the_packages_own_file() -> None:
    packaged = CHART.parents[1] / "services" / "rowcast" / "crds" / "appconfigs.yaml"

    copy = CHART / "crds" / "appconfigs.yaml"
    # A link that leads out of the chart breaks where somebody has a copy of it.
    assert not copy.is_symlink()
    assert copy.read_bytes() == packaged.read_bytes(), "run ./task docs"


def test_the_included_rabbitmq_gives_no_message_up() -> None:
    """By itself version 4 throws away what was delivered twenty times: a row that waits long enough would be lost."""
    start = one(render("global.broker.kind=rabbitmq"), "ConfigMap", "rowcast-rabbitmq")["data"]["start.sh"]
    definitions = start.partition("<<END\n")[2].partition("\nEND")[0]
    [policy] = json.loads(
        definitions.replace('"$(plainly "$BROKER_USERNAME")"', '"u"').replace('"$(plainly "$BROKER_PASSWORD")"', '"p"')
    )["policies"]

    assert policy["definition"] == {"delivery-limit": 1_000_000_000}
    assert policy["pattern"] == "^rowcast[-.]"
