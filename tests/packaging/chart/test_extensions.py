"""What people add to a part or change of it, by values that all parts have alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from charting.rendering import CHART, RefusedError, of_kind, one, pod, pods, render

CHECKOUT = CHART.parents[1]


def given(folder: Path, **values: Any) -> Path:
    """A file of these values."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_each_option_is_written_once() -> None:
    command = [sys.executable, str(CHECKOUT / "tools" / "chart_options.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout


EXTRA: dict[str, Any] = {
    "initContainers": [{"name": "before", "image": "i"}],
    "extraContainers": [{"name": "beside", "image": "i"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "extraEnvFrom": [{"configMapRef": {"name": "c"}}],
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}],
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.0.0.2"]},
    "livenessProbe": {"periodSeconds": 77},
    "readinessProbe": {"tcpSocket": {"port": 1}},
    "serviceAccount": {"create": True, "annotations": {"identity": "x"}},
    "resources": {"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi"}},
}
SERVERS = ("crud", "ui", "connect", "kafka", "postgres", "git-server")


@pytest.mark.parametrize("part", SERVERS)
def test_every_server_takes_what_people_add(part: str, tmp_path: Path) -> None:
    manifests = render(values=given(tmp_path, **{part: EXTRA}))
    spec = pod(manifests, part).spec
    container = spec["containers"][0]

    assert spec["initContainers"] == EXTRA["initContainers"]
    assert [each["name"] for each in spec["containers"]] == [part, "beside"]
    assert spec["hostAliases"] == EXTRA["hostAliases"]
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", EXTRA["dnsConfig"])
    assert container["livenessProbe"]["periodSeconds"] == 77
    assert len(container["livenessProbe"]) > 1
    assert container["readinessProbe"]["tcpSocket"] == {"port": 1}
    assert not {"httpGet", "exec"} & container["readinessProbe"].keys()
    assert container["resources"]["requests"]["ephemeral-storage"] == "2Gi"
    assert EXTRA["extraVolumes"][0] in spec["volumes"]
    assert EXTRA["extraVolumeMounts"][0] in container["volumeMounts"]
    assert container["envFrom"] == EXTRA["extraEnvFrom"]
    account = one(manifests, "ServiceAccount", f"rowcast-{part}")
    assert account["metadata"]["annotations"] == {"identity": "x"}
    assert spec["serviceAccountName"] == f"rowcast-{part}"


def test_the_rights_of_sync_are_its_accounts_whatever_that_is_called() -> None:
    manifests = render(
        "sync.k8s.serviceAccount.create=false",
        "sync.k8s.serviceAccount.name=mine",
        values=CHART / "ci" / "production-values.yaml",
    )

    assert pod(manifests, "sync-k8s").spec["serviceAccountName"] == "mine"
    assert "rowcast-sync-k8s" not in of_kind(manifests, "ServiceAccount")
    bindings = {**of_kind(manifests, "RoleBinding"), **of_kind(manifests, "ClusterRoleBinding")}
    bound = {name: each["subjects"][0]["name"] for name, each in bindings.items() if "sync-k8s" in name}
    assert bound == {"rowcast-sync-k8s": "mine", "rowcast-rowcast-sync-k8s-renderers": "mine"}


def test_jobs_have_an_image_an_account_and_an_end_of_their_own() -> None:
    digest = "sha256:" + "0" * 64
    manifests = render(
        f"jobs.image.digest={digest}", "jobs.serviceAccount.create=true", "global.jobs.ttlSecondsAfterFinished=0"
    )

    for component in ("connector", "check"):
        one_pod = pod(manifests, component)
        assert one_pod.containers[0]["image"].endswith(f"@{digest}")
        assert one_pod.spec["serviceAccountName"] == "rowcast-jobs"
    assert pod(manifests, "crds").spec["serviceAccountName"] == "rowcast-crds"
    jobs = {name: job for name, job in of_kind(manifests, "Job").items() if name != "rowcast-crds"}
    assert {job["spec"]["ttlSecondsAfterFinished"] for job in jobs.values()} == {0}
    assert not any("ttlSecondsAfterFinished" in job["spec"] for job in of_kind(render(), "Job").values())


def test_a_volume_claim_that_is_there_takes_the_place_of_the_charts() -> None:
    manifests = render("postgres.persistence.existingClaim=old", "kafka.persistence.annotations.keep=yes")

    postgres = one(manifests, "StatefulSet", "rowcast-postgres")["spec"]
    assert "volumeClaimTemplates" not in postgres
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "old"}}
    assert volume in postgres["template"]["spec"]["volumes"]
    (claim,) = one(manifests, "StatefulSet", "rowcast-kafka")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["annotations"] == {"keep": "yes"}


def test_services_are_of_a_type_and_annotated() -> None:
    manifests = render("kafka.service.type=LoadBalancer", "ui.service.annotations.a=b")

    assert one(manifests, "Service", "rowcast-kafka")["spec"]["type"] == "LoadBalancer"
    assert one(manifests, "Service", "rowcast-ui")["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    ("values", "affinity"),
    [
        ([], None),
        (["ui.replicas=2"], "ClientIP"),
        (["ui.autoscaling.enabled=true"], "ClientIP"),
        (["ui.replicas=2", "ui.service.sessionAffinity=None"], "None"),
    ],
)
def test_somebodys_address_stays_at_one_of_several_dashboards(values: list[str], affinity: str | None) -> None:
    assert one(render(*values), "Service", "rowcast-ui")["spec"].get("sessionAffinity") == affinity


@pytest.mark.parametrize("part", ["crud", "ui"])
def test_an_autoscaler_sets_the_number_of_pods(part: str) -> None:
    manifests = render(f"{part}.autoscaling.enabled=true")

    assert "replicas" not in one(manifests, "Deployment", f"rowcast-{part}")["spec"]
    scaler = one(manifests, "HorizontalPodAutoscaler", f"rowcast-{part}")["spec"]
    assert scaler["metrics"][0]["containerResource"]["container"] == part


def test_several_hosts_have_an_ingress(tmp_path: Path) -> None:
    ingress = {
        "enabled": True,
        "hosts": [{"host": "a.example"}, {"host": "b.example", "paths": [{"path": "/x", "pathType": "Exact"}]}],
        "tls": [{"secretName": "t", "hosts": ["a.example", "b.example"]}],
    }
    spec = one(
        render(values=given(tmp_path, ui={"login": {"mode": "none"}, "ingress": ingress})), "Ingress", "rowcast-ui"
    )["spec"]

    paths = {rule["host"]: rule["http"]["paths"][0] for rule in spec["rules"]}
    assert {host: (path["path"], path["pathType"]) for host, path in paths.items()} == {
        "a.example": ("/", "Prefix"),
        "b.example": ("/x", "Exact"),
    }
    assert spec["tls"] == ingress["tls"]


def test_a_gateway_leads_to_the_dashboard_and_wants_to_know_of_its_login(tmp_path: Path) -> None:
    route = {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["a.example"]}
    spec = one(
        render(values=given(tmp_path, ui={"login": {"mode": "required"}, "httpRoute": route})),
        "HTTPRoute",
        "rowcast-ui",
    )["spec"]
    assert spec["parentRefs"] == route["parentRefs"]
    assert spec["rules"] == [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"name": "rowcast-ui", "port": 80}],
        }
    ]
    with pytest.raises(RefusedError, match=r"ui\.httpRoute\.enabled without a login"):
        render("ui.httpRoute.enabled=true", "ui.httpRoute.parentRefs[0].name=g")
    with pytest.raises(RefusedError, match=r"needs ui\.httpRoute\.parentRefs"):
        render("ui.httpRoute.enabled=true", "ui.login.mode=none")


def test_further_objects_are_rendered(tmp_path: Path) -> None:
    text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-text'}}"
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Namespace }}-plain"}}

    manifests = render(values=given(tmp_path, extraObjects=[text, plain]))

    assert {"rowcast-text", "rowcast-plain"} <= of_kind(manifests, "ConfigMap").keys()


def test_all_parts_spread_as_the_global_values_say(tmp_path: Path) -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    for each in pods(render(values=given(tmp_path, **{"global": {"topologySpreadConstraints": [spread]}}))):
        (constraint,) = each.spec["topologySpreadConstraints"]
        component = each.metadata["labels"]["app.kubernetes.io/component"]
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
