"""Every pod, whatever is chosen: closed as Pod Security `restricted` wants it, pinned, bounded, and ended with care."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from charting.rendering import CI_VALUES, of_kind, pod, pods, render

EVERY = pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)


@EVERY
def test_every_container_is_restricted(values: Path) -> None:
    for one in pods(render(values=values)):
        security = one.spec["securityContext"]
        assert security["runAsNonRoot"] is True, one.owner
        assert security["runAsUser"] == 10001, one.owner
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, one.owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & one.spec.keys(), one.owner
        assert {next(iter(volume.keys() - {"name"})) for volume in one.spec["volumes"]} <= {
            "emptyDir", "configMap", "secret",
        }, one.owner  # fmt: skip
        for container in one.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, one.owner


@EVERY
def test_every_container_is_pinned_and_bounded(values: Path) -> None:
    for one in pods(render(values=values)):
        for container in one.containers:
            # Redis, RabbitMQ and NATS are everybody's.
            name = r"(ghcr\.io/rowcast|docker\.io/library)/[a-z-]+:\d+\.\d+\.\d+(-alpine)?"
            assert re.fullmatch(name, container["image"]), one.owner
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), one.owner
            assert "memory" in container["resources"]["limits"], one.owner


@EVERY
def test_no_pod_gets_a_token_of_the_api_but_those_that_work_with_it(values: Path) -> None:
    manifests = render(values=values)
    own_cluster = "rowcast-other-cluster" not in values.read_text()
    engine = "engine:" in values.read_text() and "gitops:" in values.read_text()
    job = ["secrets"] if "generate: job" in values.read_text() else []
    appliers = ["sync-k8s", "sync-k8s-us"] if own_cluster else []
    allowed = {"crds", *job, *appliers, *(["sync-git"] if engine else [])}

    for one in pods(manifests):
        component = one.metadata["labels"]["app.kubernetes.io/component"]
        assert one.spec["automountServiceAccountToken"] is (component in allowed), one.owner
    for name, account in of_kind(manifests, "ServiceAccount").items():
        assert account["automountServiceAccountToken"] is False, name


@EVERY
def test_a_selector_says_nothing_that_an_upgrade_changes(values: Path) -> None:
    manifests = render(values=values)
    owners = [*of_kind(manifests, "Deployment").values(), *of_kind(manifests, "StatefulSet").values()]

    for owner in owners:
        selector = owner["spec"]["selector"]["matchLabels"]
        assert selector.keys() == {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}
        assert selector.items() <= owner["spec"]["template"]["metadata"]["labels"].items()
    selectors = [tuple(owner["spec"]["selector"]["matchLabels"].values()) for owner in owners]
    assert len(set(selectors)) == len(selectors)


@EVERY
def test_every_object_is_labelled_and_in_its_namespace(values: Path) -> None:
    # What people add has the labels that they give it.
    extra = ("ExternalSecret", "Password")
    for manifest in (each for each in render(values=values) if each["kind"] not in extra):
        metadata = manifest["metadata"]
        assert metadata["labels"].keys() >= {
            "helm.sh/chart",
            *(
                f"app.kubernetes.io/{key}"
                for key in ("name", "instance", "component", "version", "part-of", "managed-by")
            ),
        }, metadata["name"]
        assert len(metadata["name"]) <= 63
        assert ("namespace" in metadata) is (manifest["kind"] not in ("ClusterRole", "ClusterRoleBinding"))


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_what_a_pod_mounts_and_whom_it_runs_as_is_there(values: Path) -> None:
    manifests = render(values=values)
    config_maps, accounts = of_kind(manifests, "ConfigMap"), of_kind(manifests, "ServiceAccount")
    for one in pods(manifests):
        claims = {"data"} if one.owner.startswith("StatefulSet") else set()
        volumes = {volume["name"] for volume in one.spec["volumes"]} | claims
        mounted = {mount["name"] for container in one.containers for mount in container["volumeMounts"]}
        sidecars = one.annotations.get("dapr.io/volume-mounts", "").partition(":")[0]
        assert mounted | ({sidecars} - {""}) == volumes
        named = {volume["configMap"]["name"] for volume in one.spec["volumes"] if "configMap" in volume}
        assert named <= config_maps.keys(), one.owner
        assert one.spec["serviceAccountName"] in (*accounts, "default"), one.owner


def test_services_are_replaced_one_by_one_and_the_git_writer_never_twice() -> None:
    deployments = of_kind(render(), "Deployment")

    for name in ("crud", "ui", "sync-k8s"):
        assert deployments[f"rowcast-{name}"]["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }
    assert deployments["rowcast-sync-git"]["spec"]["strategy"] == {"type": "Recreate"}
    assert deployments["rowcast-sync-git"]["spec"]["replicas"] == 1
    capture = of_kind(render("global.capture.kind=engine"), "Deployment")["rowcast-capture"]["spec"]
    assert (capture["strategy"], capture["replicas"]) == ({"type": "Recreate"}, 1)


@pytest.mark.parametrize("component", ["crud", "sync-k8s", "sync-git", "capture"])
def test_a_pod_that_goes_outlives_its_sidecar_and_that_one_its_application(component: str) -> None:
    one = pod(render("global.capture.kind=engine"), component)
    still_taken = one.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    application = still_taken + float(one.environment["ROWCAST_SHUTDOWN_SECONDS"])
    served = int(one.annotations["dapr.io/block-shutdown-duration"].removesuffix("s"))
    sidecar = served + int(one.annotations["dapr.io/graceful-shutdown-seconds"])

    assert still_taken > 0
    assert application <= served
    assert sidecar < one.spec["terminationGracePeriodSeconds"]


@EVERY
def test_every_server_says_when_it_has_started_when_it_works_and_when_it_hangs(values: Path) -> None:
    for one in pods(render(values=values)):
        if not one.owner.startswith(("Job", "Pod")):
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= one.spec["containers"][0].keys(), one.owner


@pytest.mark.parametrize("component", ["crud", "sync-k8s", "sync-git", "capture"])
def test_readiness_asks_for_what_a_service_needs_and_liveness_only_for_itself(component: str) -> None:
    container = pod(render("global.capture.kind=engine"), component).spec["containers"][0]

    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_each_part_is_placed_and_extended_by_its_own_values() -> None:
    manifests = render(
        "global.nodeSelector.disk=ssd",
        "crud.nodeSelector.zone=a",
        "crud.podLabels.team=x",
        "crud.podAnnotations.note=y",
        "crud.extraEnv[0].name=ROWCAST_MAX_BODY_BYTES",
        "crud.extraEnv[0].value=1",
        "crud.topologySpreadConstraints[0].maxSkew=1",
        "crud.topologySpreadConstraints[0].topologyKey=zone",
        "crud.topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
        "crud.image.registry=mine.example",
        "crud.image.digest=sha256:" + "0" * 64,
    )
    crud, ui = pod(manifests, "crud"), pod(manifests, "ui")

    assert (crud.spec["nodeSelector"], ui.spec["nodeSelector"]) == ({"zone": "a"}, {"disk": "ssd"})
    assert crud.metadata["labels"]["team"] == "x"
    assert crud.annotations["note"] == "y"
    assert crud.environment["ROWCAST_MAX_BODY_BYTES"] == 1
    (spread,) = crud.spec["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == "crud"
    assert crud.containers[0]["image"] == "mine.example/rowcast/services@sha256:" + "0" * 64


def test_a_job_has_another_name_when_it_does_something_else_and_only_then() -> None:
    def names(*settings: str) -> set[str]:
        return set(of_kind(render(*settings), "Job"))

    assert names() == names("ui.replicas=3")
    assert names("global.image.tag=9.9.9").isdisjoint(names() - {"rowcast-crds"})
    assert names("global.connect.connector=other") ^ names() == {
        name for name in names("global.connect.connector=other") | names() if name.startswith("rowcast-connector-")
    }


def test_an_evaluation_keeps_its_data_unless_told_otherwise() -> None:
    kept, thrown = render(), render("postgres.persistence.enabled=false")

    for name in ("redis", "rabbitmq", "jetstream"):
        assert (
            "volumeClaimTemplates"
            in of_kind(render(f"global.broker.kind={name}"), "StatefulSet")[f"rowcast-{name}"]["spec"]
        )
    for name in ("postgres", "kafka", "git-server"):
        (claim,) = of_kind(kept, "StatefulSet")[f"rowcast-{name}"]["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "data"
    assert "volumeClaimTemplates" not in of_kind(thrown, "StatefulSet")["rowcast-postgres"]["spec"]
    assert {"name": "data", "emptyDir": {}} in pod(thrown, "postgres").spec["volumes"]
