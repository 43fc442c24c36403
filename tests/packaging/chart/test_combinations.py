"""Values that are fine one by one: together nothing of them is left out, there twice, or open."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from charting.rendering import CHART, Manifest, RefusedError, of_kind, one, pod, pods, render
from rowcast_local.provision.tools import tool

DECLARED = ("renderersFrom.configMap=mine", *(f"renderersRights.rules[0].{part}" for part in (
    "apiGroups[0]=", "resources[0]=configmaps", "verbs[0]=get",
)))  # fmt: skip
EU = ("global.targets.k8s-eu.kind=k8s", "global.targets.k8s-eu.namespace=eu")


def test_a_target_of_its_own_delivers_as_it_says() -> None:
    said = (
        "reconcile.drift=report",
        "reconcile.pruneLimit=1",
        "reconcile.seconds=60",
        "subscription.mode=single",
        "subscription.batchSize=7",
        "lateSeconds=9",
        "inFlight=3",
    )
    manifests = render("sync.reconcile.seconds=900", *EU, *(f"global.targets.k8s-eu.sync.{one}" for one in said))
    names = ("DRIFT", "RECONCILE_PRUNE_LIMIT", "RECONCILE_SECONDS", "SUBSCRIPTION", "BATCH_SIZE", "LATE_SECONDS")

    def of(part: str) -> list[str]:
        return [pod(manifests, part).environment[f"ROWCAST_{name}"] for name in (*names, "IN_FLIGHT")]

    assert of("sync-k8s-eu") == ["report", "1", "60", "single", "7", "9", "3"]
    assert of("sync-k8s") == ["correct", "0.2", "900", "bulk", "1000", "60", "32"]


def test_a_target_can_take_back_what_all_of_them_have() -> None:
    root = "securityContext.readOnlyRootFilesystem"
    manifests = render(f"sync.{root}=true", *EU, f"global.targets.k8s-eu.sync.{root}=false")
    context = {part: pod(manifests, part).containers[0]["securityContext"] for part in ("sync-k8s", "sync-k8s-eu")}
    assert {part: its["readOnlyRootFilesystem"] for part, its in context.items()} == {
        "sync-k8s": True,
        "sync-k8s-eu": False,
    }


@pytest.mark.parametrize("closed", ["true", "false"])
@pytest.mark.parametrize("part", ["crud", "sync", "ui"])
def test_a_part_can_be_left_out(part: str, closed: str) -> None:
    manifests = render(f"{part}.enabled=false", f"networkPolicies.enabled={closed}", *EU, *DECLARED)
    components = {each.metadata["labels"]["app.kubernetes.io/component"] for each in pods(manifests)}
    assert components
    assert not {component for component in components if component == part or component.startswith(f"{part}-")}


@pytest.mark.parametrize("part", ["crud", "sync", "ui"])
def test_who_installs_less_is_told_of_the_rest(part: str) -> None:
    command = [str(tool("helm")), "install", "rowcast", str(CHART), "--namespace", "n", "--dry-run=client"]
    settings = (f"{part}.enabled=false", "global.dapr.requireCrds=false", "global.image.tag=v1")
    done = subprocess.run(
        [*command, *(word for setting in settings for word in ("--set", setting))],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Rowcast" in done.stdout.partition("NOTES:")[2], done.stderr


@pytest.mark.parametrize(
    "setting",
    ["global.commonLabels.team=a", "jobs.podAnnotations.a=b", "jobs.podLabels.a=b"],
)
def test_a_job_whose_pods_change_is_another_job(setting: str) -> None:
    """The API server refuses another template for a job that is there, its labels included."""

    def templates(*settings: str) -> dict[str, Manifest]:
        jobs = of_kind(render(*settings), "Job").items()
        return {
            name: job["spec"]["template"]
            for name, job in jobs
            if "helm.sh/hook" not in job["metadata"].get("annotations", {})
        }

    before, after = templates(), templates(setting)
    assert before != after
    assert {name for name in before.keys() & after.keys() if before[name] != after[name]} == set()


def test_a_variable_by_the_values_takes_the_place_of_the_charts() -> None:
    settings = [
        f"{part}.extraEnv[0].{word}"
        for part in ("crud", "sync", "ui")
        for word in ("name=ROWCAST_LOG_LEVEL", "value=debug")
    ]
    for each in pods(render(*settings)):
        for container in each.containers:
            names = Counter(entry["name"] for entry in container.get("env", ()))
            assert {name: count for name, count in names.items() if count > 1} == {}, each.owner
    assert pod(render(*settings), "sync-git").environment["ROWCAST_LOG_LEVEL"] == "debug"


def test_long_names_stay_apart() -> None:
    command = [str(tool("helm")), "template", "rowcast-payments-platform-prod-eu-west-1", str(CHART)]
    command += ["--namespace", "payments-platform-prod-and-some-more-of-the-name-up-to-63", "--is-upgrade"]
    for setting in ("global.dapr.requireCrds=false", *EU, *DECLARED):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    kinds = [part for part in done.stdout.split("\n---\n") if "\nkind: ClusterRole\n" in part]
    names = [line for part in kinds for line in part.splitlines() if line.startswith("  name: ")]
    assert len(names) == len(set(names)) >= 3


def test_labels_of_ones_own_are_there_once() -> None:
    part_of = r"app\.kubernetes\.io/part-of=platform"
    settings = (f"global.commonLabels.{part_of}", f"crud.podLabels.{part_of}", "global.commonLabels.team=a")
    ingress = ("ui.ingress.enabled=true", "ui.ingress.host=h", "ui.login.mode=none", "ui.ingress.labels.team=b")
    manifests = render(*settings, *ingress)

    assert one(manifests, "Ingress", "rowcast-ui")["metadata"]["labels"]["team"] == "b"
    for each in pods(manifests):
        assert each.metadata["labels"]["app.kubernetes.io/part-of"] == "platform", each.owner


@pytest.mark.parametrize("place", ["global.commonLabels", "crud.podLabels"])
def test_labels_that_selectors_go_by_are_the_charts(place: str) -> None:
    with pytest.raises(RefusedError, match=r"must not have app\.kubernetes\.io/name: selectors go by the chart's"):
        render(rf"{place}.app\.kubernetes\.io/name=mine")


@pytest.mark.parametrize("named", ["registry=r.example", "digest=sha256:" + "0" * 64, "tag=v1"])
def test_images_may_be_named_part_by_part(named: str) -> None:
    parts = ("crud", "sync", "ui", "connect", "kafka", "postgres", "git-server", "jobs")
    command = [str(tool("helm")), "template", "rowcast", str(CHART), "--api-versions", "dapr.io/v1alpha1"]
    for part in parts:
        command += ["--set", f"{part}.image.{named}"]
    all_of_them = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert all_of_them.returncode == 0, all_of_them.stderr
    but_one = subprocess.run(command[:-2], capture_output=True, text=True, check=False, timeout=120)
    assert "nobody publishes the images" in but_one.stderr


def test_the_migrations_pod_has_what_its_values_say() -> None:
    settings = (r"podAnnotations.sidecar\.istio\.io/inject=no", "podLabels.a=b", "priorityClassName=high")
    variable = ("migrate.extraEnv[0].name=ROWCAST_LOG_LEVEL", "migrate.extraEnv[0].value=debug")
    crud = (*(f"migrate.{setting}" for setting in settings), *variable, "hostAliases[0].ip=10.0.0.1")
    migrate = pod(render(*(f"crud.{setting}" for setting in crud)), "migrate")

    assert migrate.annotations["sidecar.istio.io/inject"] == "no"
    assert migrate.metadata["labels"]["a"] == "b"
    assert (migrate.spec["priorityClassName"], migrate.environment["ROWCAST_LOG_LEVEL"]) == ("high", "debug")
    assert migrate.spec["hostAliases"] == [{"ip": "10.0.0.1"}]


def test_where_egress_is_closed_people_can_log_in() -> None:
    provider = "serverMetadataUrl=https://login.example:8443/.well-known/openid-configuration"
    login = (provider, "clientId=c", "redirectUri=https://x/oauth2callback", "existingSecret=s")
    manifests = render("networkPolicies.egress=true", *(f"ui.auth.{setting}" for setting in login))
    policy = one(manifests, "NetworkPolicy", "rowcast-to-login")["spec"]

    assert policy["podSelector"]["matchExpressions"][0]["values"] == ["ui"]
    assert [rule["ports"] for rule in policy["egress"]] == [[{"protocol": "TCP", "port": 8443}]]


def test_the_included_repository_is_open_to_flux_where_it_is() -> None:
    flux = ("global.gitops.engine=flux", "global.gitops.flux.namespace=gitops", "global.targets.k8s.enabled=false")
    rules = one(render(*flux), "NetworkPolicy", "rowcast-git-server")["spec"]["ingress"]
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gitops"}}} in rules[-1]["from"]
