"""A cluster runs what `./task up` runs: with the same settings, but for the differences that are named here."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from charting.rendering import CHECKOUT, Manifest, one, pod, render
from rowcast.capture.settings import CaptureSettings
from rowcast.connector.definition import read_definition
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.settings import Settings, variable_name
from rowcast.sync.settings import SyncSettings
from rowcast_local.broker import Broker, Kind
from rowcast_local.jvm import ClassPath
from rowcast_local.parts import broker_redis, nats, rabbitmq
from rowcast_local.parts.connect import Connect, worker_properties
from rowcast_local.parts.dapr import Sidecar
from rowcast_local.parts.java import java_command
from rowcast_local.parts.kafka import Kafka, server_properties
from rowcast_local.parts.postgres import SETTINGS

LOCAL = CHECKOUT / "dapr-components" / "local"
BROKERS = CHECKOUT / "dapr-components" / "brokers"
NOWHERE = Path("/nowhere")


def _local(name: str) -> Manifest:
    content: Manifest = yaml.safe_load((LOCAL / name).read_text())
    return content


def _metadata(component: Manifest) -> dict[str, Any]:
    return {
        entry["name"]: entry.get("value", entry.get("envRef", entry.get("secretKeyRef")))
        for entry in component["spec"]["metadata"]
    }


def _from(manifests: list[Manifest], source: Manifest) -> str:
    if (reference := source.get("secretKeyRef")) is None:
        return "rowcast"
    return b64decode(one(manifests, "Secret", reference["name"])["data"][reference["key"]]).decode()


def _reference(secret: str, key: str) -> dict[str, str]:
    return {"name": secret, "key": key}


# Locally a broker has one platform; in a cluster several may share it. And locally what is on the loopback asks nobody
# who he is, or knows but one user.
CONSUMER = (None, "rowcast-{appID}")
APART: dict[str, dict[str, tuple[Any, Any]]] = {
    "kafka": {
        "brokers": ("ROWCAST_KAFKA", "rowcast-kafka:9092"),
        "consumerGroup": CONSUMER,
        "authType": ("none", "password"),
        "saslMechanism": (None, "PLAINTEXT"),
        "saslUsername": (None, _reference("rowcast-kafka", "username")),
        "saslPassword": (None, _reference("rowcast-kafka", "password")),
    },
    "redis": {
        "redisHost": ("ROWCAST_REDIS", "rowcast-redis:6379"),
        "redisUsername": (None, _reference("rowcast-redis", "username")),
        "redisPassword": ("ROWCAST_REDIS_PASSWORD", _reference("rowcast-redis", "password")),
        "consumerID": CONSUMER,
    },
    "rabbitmq": {
        "connectionString": ("ROWCAST_RABBITMQ", _reference("rowcast-rabbitmq", "url")),
        "consumerID": CONSUMER,
    },
    "jetstream": {
        "natsURL": ("ROWCAST_NATS", _reference("rowcast-jetstream", "url")),
        "durableName": ("{appID}", "rowcast-{appID}"),
        "queueGroupName": ("{appID}", "rowcast-{appID}"),
    },
}


def test_each_kind_of_broker_is_compared() -> None:
    assert {path.stem for path in BROKERS.glob("*.yaml")} == APART.keys()


@pytest.mark.parametrize("kind", APART)
def test_the_brokers_component_has_the_same_settings(kind: str) -> None:
    local: Manifest = yaml.safe_load((BROKERS / f"{kind}.yaml").read_text())
    cluster = one(render(f"global.broker.kind={kind}"), "Component", "pubsub")
    here, there = _metadata(local), _metadata(cluster)

    differences = {
        name: (here.get(name), there.get(name)) for name in here | there if here.get(name) != there.get(name)
    }
    assert differences == APART[kind]
    assert cluster["scopes"] == local["scopes"]
    for part in ("type", "version", "initTimeout"):
        assert cluster["spec"][part] == local["spec"][part]


def test_failures_are_met_in_the_same_way() -> None:
    local, cluster = _local("resiliency.yaml"), one(render(), "Resiliency", "rowcast")

    # Dapr's resource type doesn't know it, and its runtime doesn't read it.
    for retry in local["spec"]["policies"]["retries"].values():
        retry.pop("initialInterval", None)
    assert cluster["spec"] == local["spec"]
    assert set(cluster["scopes"]) - set(local["scopes"]) == {"rowcast-check"}


@pytest.mark.parametrize("app", ["crud", "sync-k8s", "sync-git", "ui"])
def test_sidecars_are_started_in_the_same_way(app: str) -> None:
    port = None if app == "ui" else 8080
    options = Sidecar(app, NOWHERE, NOWHERE, {"http": 1, "grpc": 2, "internal": 3, "metrics": 4}, port)._options()
    annotations = pod(render(), app).annotations

    # What Dapr calls alike in both places; where it listens is the injector's matter.
    same = {name: value for name, value in options.items() if f"dapr.io/{name}" in annotations and name != "config"}
    assert {name: annotations[f"dapr.io/{name}"] for name in same} == same
    expected = {"app-id", "max-body-size", "read-buffer-size", "disable-builtin-k8s-secret-store"}
    if port is not None:
        expected |= {"app-port", "app-protocol", "enable-app-health-check"}
    assert expected == same.keys()


# On the loopback of one's own machine the broker asks nobody who he is (decision 24).
LOGIN = {
    "allow.everyone.if.no.acl.found",
    "authorizer.class.name",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "sasl.enabled.mechanisms",
    "sasl.mechanism.controller.protocol",
    "sasl.mechanism.inter.broker.protocol",
    "super.users",
}
LOGGING_IN = {
    f"{client}{setting}"
    for client in ("", "producer.", "consumer.", "admin.")
    for setting in ("security.protocol", "sasl.mechanism", "sasl.jaas.config")
}


def test_kafka_has_the_same_settings() -> None:
    local = server_properties(Kafka(NOWHERE, ClassPath(NOWHERE, ()), NOWHERE, 9092, 9093))
    cluster = _properties("kafka", "server.properties")

    assert (
        _differing(local, cluster)
        == {
            "advertised.listeners",  # by the start script
            "controller.quorum.bootstrap.servers",
            "listeners",
            "log.dirs",
        }
        | LOGIN
    )


def test_connect_has_the_same_settings() -> None:
    local = worker_properties(Connect(NOWHERE, ClassPath(NOWHERE, ()), NOWHERE, 8083, "127.0.0.1:9092", "cafe"))
    cluster = _properties("connect", "connect.properties")

    assert (
        _differing(local, cluster)
        == {
            "bootstrap.servers",
            # It may also read how to log in to Kafka.
            "config.providers.env.param.allowlist.pattern",
            "listeners",
            "rest.advertised.host.name",  # by the start script
        }
        | LOGGING_IN
    )


def test_postgres_has_the_same_settings() -> None:
    script = one(render(), "ConfigMap", "rowcast-postgres")["data"]["start.sh"]
    cluster = dict(re.findall(r"-c (\w+)='([^']*)'", script))

    assert _differing(dict(SETTINGS), cluster) == {"listen_addresses"}


def test_redis_has_the_same_settings() -> None:
    text = one(render("global.broker.kind=redis"), "ConfigMap", "rowcast-redis")["data"]["redis.conf"]
    cluster = dict(line.split(" ", 1) for line in text.splitlines() if line)

    differing = _differing(broker_redis.server_settings(6379, NOWHERE), cluster)
    # The memory is the pod's, and the file with the users the login of a cluster.
    assert differing == {"aclfile", "bind", "daemonize", "dir", "maxmemory"}


def test_rabbitmq_has_the_same_settings() -> None:
    text = one(render("global.broker.kind=rabbitmq"), "ConfigMap", "rowcast-rabbitmq")["data"]["rabbitmq.conf"]
    cluster = dict(line.split(" = ", 1) for line in text.splitlines() if line)

    assert _differing(rabbitmq.server_settings(5672), cluster) == {
        "listeners.tcp.1",
        "listeners.tcp.default",
        "load_definitions",
        "disk_free_limit.absolute",
        "vm_memory_high_watermark.absolute",
    }


def test_nats_has_the_same_settings() -> None:
    text = one(render("global.broker.kind=jetstream"), "ConfigMap", "rowcast-jetstream")["data"]["nats.conf"]
    local = nats.server_settings(4222, NOWHERE)
    cluster = dict(re.findall(r"^ *(\w+): (\S+)$", text, re.MULTILINE))

    assert cluster["sync_interval"] == local["jetstream"]["sync_interval"]
    assert cluster["max_payload"] == f"{local['max_payload'] // 1024 // 1024}MB"
    assert cluster.keys() - {*local, *local["jetstream"]} == {"port", "http_port", "max_file_store"}


@pytest.mark.parametrize(
    ("part", "main", "heap"),
    [("kafka", "kafka.Kafka", 384), ("connect", "org.apache.kafka.connect.cli.ConnectDistributed", 512)],
)
def test_java_is_started_in_the_same_way(part: str, main: str, heap: int) -> None:
    script = one(render(), "ConfigMap", f"rowcast-{part}")["data"]["start.sh"]
    (command,) = re.findall(r"^exec (java .*) \S+$", script, re.MULTILINE)
    words = [word.replace('"', "") for word in command.split()]
    logins = Path("/etc/connect/logins.conf" if part == "connect" else "/tmp/logins.conf")
    local = java_command(Path("java"), ClassPath(NOWHERE, ()), main, heap_mib=heap, logins=logins)

    assert [word for word in words if word != "'/opt/kafka/libs/*'"] == [
        word.replace('"', "") for word in local if word
    ]


def test_what_the_connector_refers_to_is_in_connects_environment() -> None:
    referred = set(re.findall(r"\$\{env:(\w+)\}", json.dumps(dict(read_definition().config))))
    environment = pod(render(), "connect").environment
    pattern = _properties("connect", "connect.properties")["config.providers.env.param.allowlist.pattern"]

    assert referred <= environment.keys()
    assert all(re.fullmatch(pattern, name) for name in referred)
    assert environment["ROWCAST_CAPTURE_DB_USER"] == "rowcast_replication"


@pytest.mark.parametrize("kind", APART)
@pytest.mark.parametrize(
    ("component", "settings"),
    [("crud", CrudSettings), ("sync-k8s", SyncSettings), ("sync-git", SyncSettings), ("capture", CaptureSettings)],
)
def test_services_understand_every_setting_that_they_are_given(
    component: str, settings: type[Settings], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifests = render(f"global.broker.kind={kind}", "global.capture.kind=engine")
    environment = pod(manifests, component).environment
    known = {variable_name(settings, field) for field in settings.model_fields}
    given = {name for name in environment if name.startswith("ROWCAST_") or name.endswith("API_TOKEN")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value if isinstance(value, str) else _from(manifests, value))
    # The image's own.
    monkeypatch.setenv("ROWCAST_JAVA_HOME", "/opt/java/openjdk")
    monkeypatch.setenv("ROWCAST_CAPTURE_JARS", "/opt/debezium/libs")

    assert given <= known
    loaded = settings.load()
    assert loaded.http_host == "0.0.0.0"
    assert loaded.app_api_token is not None
    assert loaded.dapr_api_token is not None


@pytest.mark.parametrize("kind", Kind)
def test_sync_is_told_of_the_broker_what_the_local_one_is_told(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = pod(render(f"global.broker.kind={kind}"), "sync-k8s").environment
    fields = ("subscription", "late_seconds", "broker_confirms")
    told = []
    for variables in (environment, Broker(kind, "", "", {}, 0, ()).sync_settings):
        with monkeypatch.context() as patched:
            patched.setenv("ROWCAST_TARGET", "k8s")
            for name, value in variables.items():
                patched.setenv(name, value if isinstance(value, str) else "rowcast")
            loaded = SyncSettings.load()
        told.append({name: getattr(loaded, name) for name in fields})

    assert told[0] == told[1]


@pytest.mark.parametrize("component", ["sync-k8s", "sync-git"])
def test_sync_has_the_settings_defaults_unless_told_otherwise(component: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = pod(render(), component).environment
    target = component.removeprefix("sync-")
    for name in ("ROWCAST_GIT_URL", "ROWCAST_GIT_CACHE"):
        monkeypatch.setenv(name, "/x")
    default = SyncSettings.model_validate({"target": target, "git_url": "/x", "git_cache": "/x"})
    for name, value in environment.items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "rowcast")
    loaded = SyncSettings.load()

    own = {"http_host", "http_port", "app_api_token", "dapr_api_token", "namespace", "git_url", "git_cache"}
    own |= {"git_username_file", "git_password_file"}
    changed = {name for name in SyncSettings.model_fields if getattr(loaded, name) != getattr(default, name)}
    assert changed <= own


def _properties(part: str, file: str) -> dict[str, str]:
    text = one(render(), "ConfigMap", f"rowcast-{part}")["data"][file]
    return dict(line.split("=", 1) for line in text.splitlines())


def _differing(local: dict[str, str], cluster: dict[str, str]) -> set[str]:
    return {name for name in local | cluster if local.get(name) != cluster.get(name)}
