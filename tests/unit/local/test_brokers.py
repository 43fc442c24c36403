"""The broker that a local platform has: which parts there are then, and what they are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rowcast_local.assembly import APPS, Blueprint
from rowcast_local.broker import COMPONENTS, Capture, Kind
from rowcast_local.cli import named
from rowcast_local.credentials import Credentials
from rowcast_local.jvm import ClassPath
from rowcast_local.paths import State
from rowcast_local.platform import Platform, PlatformError
from rowcast_local.ports import DEFAULT_PORTS, HOST, wanted_ports
from rowcast_local.provision.toolbox import Toolbox

NOWHERE = Path("/nowhere")
PROGRAMS = ("redis", "rabbitmq", "erlang", "nats")
KAFKAS = {"kafka", "connect", "connector"}

FURTHER = ("k8s-eu", "k8s-us")


def blueprint(kind: Kind, capture: Capture = Capture.ENGINE, folder: Path = NOWHERE) -> Blueprint:
    programs = dict.fromkeys(("postgres", "java", "kubectl", "etcd", "kube_apiserver", "daprd"), NOWHERE)
    extras = {name: NOWHERE / name for name in PROGRAMS}
    toolbox = Toolbox(**programs, class_path=ClassPath(NOWHERE, ()), choices=(), extras=extras)
    return Blueprint(toolbox, State(folder), DEFAULT_PORTS, Credentials(), kind=kind, capture=capture)


def component(kind: Kind) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((COMPONENTS / f"{kind}.yaml").read_text())
    return content


def metadata(kind: Kind) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in component(kind)["spec"]["metadata"]}


@pytest.mark.parametrize(
    ("kind", "broker"),
    [
        (Kind.REDIS, {"broker-redis"}),
        (Kind.RABBITMQ, {"rabbitmq", "rabbitmq-epmd"}),
        (Kind.JETSTREAM, {"nats"}),
    ],
)
def test_without_kafka_there_is_nothing_of_kafka(kind: Kind, broker: set[str]) -> None:
    parts = {part.name for part in blueprint(kind).parts()}
    kafka = {part.name for part in blueprint(Kind.KAFKA, Capture.CONNECT).parts()}
    assert kafka - parts == KAFKAS
    assert parts - kafka == {*broker, "capture", "capture-dapr"}


def test_the_engine_takes_the_place_of_connect_where_it_is_asked_to() -> None:
    parts = {part.name for part in blueprint(Kind.KAFKA, Capture.ENGINE).parts()}
    assert parts & (KAFKAS | {"capture", "capture-dapr"}) == {"kafka", "capture", "capture-dapr"}


@pytest.mark.parametrize("kind", Kind)
def test_no_part_needs_another_that_is_not_there(kind: Kind) -> None:
    parts = blueprint(kind).parts()
    names = {part.name for part in parts}
    assert {need for part in parts for need in part.needs} <= names


@pytest.mark.parametrize("kind", Kind)
def test_services_know_the_broker_and_who_captures(kind: Kind) -> None:
    programs = {part.name: part.program.environment for part in blueprint(kind).parts()}
    assert (programs["crud"]["ROWCAST_BROKER"], programs["crud"]["ROWCAST_CAPTURE"]) == (kind, "engine")
    assert "ROWCAST_CONNECT_URL" not in programs["crud"]
    assert programs["capture"]["ROWCAST_BROKER"] == kind
    assert HOST in programs["capture"]["ROWCAST_BROKER_URL"]


@pytest.mark.parametrize(
    ("kind", "subscription", "late", "confirms"),
    [
        (Kind.KAFKA, "bulk", None, None),
        (Kind.REDIS, "bulk", "5", "true"),
        (Kind.RABBITMQ, "bulk", "5", "false"),
        (Kind.JETSTREAM, "single", "5", "true"),
    ],
)
def test_sync_reads_as_suits_the_broker(kind: Kind, subscription: str, late: str | None, confirms: str | None) -> None:
    programs = {part.name: part.program.environment for part in blueprint(kind).parts()}
    for target in ("sync-k8s", "sync-git"):
        given = programs[target]
        assert given["ROWCAST_SUBSCRIPTION"] == subscription
        assert (given.get("ROWCAST_LATE_SECONDS"), given.get("ROWCAST_BROKER_CONFIRMS")) == (late, confirms)


@pytest.mark.parametrize("kind", Kind)
def test_the_brokers_component_finds_all_that_it_refers_to(kind: Kind) -> None:
    for app in ("crud", "sync-k8s", "sync-git", "capture"):
        referred = {entry["envRef"] for entry in component(kind)["spec"]["metadata"] if "envRef" in entry}
        assert referred <= blueprint(kind).sidecar(app).environment.keys()


def test_the_dashboards_sidecar_has_no_login_to_the_broker() -> None:
    assert "ROWCAST_REDIS_PASSWORD" not in blueprint(Kind.REDIS).sidecar("ui").environment


def test_one_file_differs_and_only_in_how_the_broker_is_spoken_to() -> None:
    assert {file.stem for file in COMPONENTS.glob("*.yaml")} == set(Kind)
    first = component(Kind.KAFKA)
    for kind in Kind:
        other = component(kind)
        assert other["spec"]["type"] == f"pubsub.{kind}"
        assert (other["metadata"], other["scopes"]) == (first["metadata"], first["scopes"])
        for scopes in ("publishingScopes", "subscriptionScopes"):
            assert metadata(kind)[scopes] == metadata(Kind.KAFKA)[scopes]


def test_a_sidecar_is_shown_one_broker_alone(tmp_path: Path) -> None:
    made = blueprint(Kind.RABBITMQ, folder=tmp_path)
    made.place_broker()
    made.place_broker()
    folders = made.sidecar("crud").resources
    components = [yaml.safe_load(file.read_text()) for folder in folders for file in folder.glob("pubsub*.yaml")]
    assert [one["spec"]["type"] for one in components] == ["pubsub.rabbitmq"]


@pytest.mark.parametrize("kind", [Kind.REDIS, Kind.RABBITMQ, Kind.JETSTREAM])
def test_no_password_is_on_a_command_line_or_for_others_to_read(kind: Kind, tmp_path: Path) -> None:
    made = blueprint(kind, folder=tmp_path)
    secrets = (made.credentials.broker, made.credentials.erlang)
    for part in made.broker.parts:
        part.prepare()
        assert not any(secret in word for word in part.program.command for secret in secrets)
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert file.stat().st_mode & 0o077 == 0


def test_rabbitmq_writes_nowhere_else_so_that_whoever_starts_it_may(tmp_path: Path) -> None:
    made = blueprint(Kind.RABBITMQ, folder=tmp_path)
    environment = next(part.program.environment for part in made.broker.parts if part.name == "rabbitmq")
    # What it takes from elsewhere by itself: rabbit_env.erl, of rabbitmq-server's prelaunch application.
    kept = ("MNESIA_BASE", "LOG_BASE", "PLUGINS_EXPAND_DIR", "ENABLED_PLUGINS_FILE", "CONFIG_FILE", "CONF_ENV_FILE")
    for name in kept:
        assert environment[f"RABBITMQ_{name}"].startswith(str(tmp_path / "data" / "rabbitmq"))


def test_kafka_and_connect_are_what_a_platform_has_unless_told_otherwise(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    assert (platform.broker, platform.capture, platform.change) == (Kind.KAFKA, Capture.CONNECT, None)
    assert Platform(tmp_path, broker="redis").capture is Capture.ENGINE


def test_connect_needs_kafka(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="Kafka Connect needs Kafka: with redis it is the engine that captures"):
        _ = Platform(tmp_path, broker="redis", capture="connect").capture


def test_what_was_chosen_is_kept_until_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("jetstream")
    (tmp_path / "capture").write_text("engine")
    kept = Platform(tmp_path)
    assert (kept.broker, kept.capture, kept.change) == (Kind.JETSTREAM, Capture.ENGINE, None)

    changed = Platform(tmp_path, broker="kafka")
    assert (changed.capture, changed.change) == (Capture.CONNECT, (Kind.JETSTREAM, Capture.ENGINE))


def test_the_other_capture_is_a_change_too(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("kafka")
    (tmp_path / "capture").write_text("connect")
    assert Platform(tmp_path, capture="engine").change == (Kind.KAFKA, Capture.CONNECT)
    assert Platform(tmp_path, broker="kafka").change is None


def test_a_platform_of_before_there_was_a_choice_has_kafka(tmp_path: Path) -> None:
    for part in ("kafka", "connect"):
        (tmp_path / "data" / part).mkdir(parents=True)
    assert Platform(tmp_path).change is None
    assert Platform(tmp_path, broker="redis").change == (Kind.KAFKA, Capture.CONNECT)


def test_every_application_has_its_default_ports() -> None:
    for app in (*APPS, "capture"):
        assert {
            app,
            *(f"{app}-dapr-{kind}" for kind in ("http", "grpc", "internal", "metrics")),
        } <= DEFAULT_PORTS.keys()


def test_a_further_cluster_is_an_instance_beside_the_others_with_rights_of_its_own(tmp_path: Path) -> None:
    made = replace(blueprint(Kind.KAFKA, folder=tmp_path), targets=("k8s-eu", "k8s-us"), ports=wanted_ports(FURTHER))
    made.place_broker()
    [component] = [yaml.safe_load(file.read_text()) for file in made.broker_resources.glob("pubsub.yaml")]
    metadata = {one["name"]: one.get("value") for one in component["spec"]["metadata"]}
    publishes, subscribes = (
        {app: topics.split(",") for app, _, topics in (one.strip().partition("=") for one in metadata[name].split(";"))}
        for name in ("publishingScopes", "subscriptionScopes")
    )
    parts = {part.name: part for part in made.parts()}
    for target in FURTHER:
        app, replay = f"sync-{target}", f"rowcast.replay.{target}"
        assert app in component["scopes"]
        assert publishes[app] == ["rowcast.sync-status", "rowcast.dead-letters", replay]
        assert subscribes[app] == ["rowcast.public.app_configs", replay]
        assert replay in publishes["crud"]
        environment = parts[app].program.environment
        assert (environment["ROWCAST_TARGET"], environment["ROWCAST_TARGET_KIND"]) == (target, "k8s")
        assert (environment["ROWCAST_NAMESPACE"], environment["APP_ID"]) == (f"rowcast-{target}", app)
        assert f"--app-id={app}" in parts[f"{app}-dapr"].program.command
    assert parts["crud"].program.environment["ROWCAST_TARGETS"] == "k8s,git,k8s-eu=k8s,k8s-us=k8s"
    resiliency = [yaml.safe_load(file.read_text()) for file in made.broker_resources.glob("resiliency.yaml")]
    assert [set(one["scopes"]) >= {"crud", "sync-k8s", "sync-k8s-eu", "sync-k8s-us"} for one in resiliency] == [True]
    assert len(set(made.ports.values())) == len(made.ports)


def test_further_clusters_are_kept_until_others_are_named_or_none(tmp_path: Path) -> None:
    (tmp_path / "targets").write_text("k8s-eu,k8s-us")
    assert Platform(tmp_path).targets == FURTHER
    assert Platform(tmp_path, targets=["k8s-jp"]).targets == ("k8s-jp",)
    assert Platform(tmp_path, targets=[]).targets == ()


@pytest.mark.parametrize("name", ["git", "k8s", "EU", "-eu", "k8s_eu", "eu-", "k" * 18])
def test_what_is_no_name_of_a_cluster_is_said(name: str) -> None:
    assert named(" k8s-eu, k8s-us,k8s-eu,") == FURTHER
    with pytest.raises(PlatformError, match=f"--targets {name}: a name is of"):
        named(f"k8s-eu,{name}")
