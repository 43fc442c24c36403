"""Below a chart of one's own, under names of one's own, and by the Helm before: the same objects."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from charting.rendering import CHART, CI_VALUES, Manifest, of_kind, pod, pods, render
from rowcast_local.provision.tools import tool

HELMS = ("helm", "helm3")


@pytest.fixture(scope="module")
def umbrella(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chart that has this one as its only dependency, vendored: a copy of the folder alone."""
    folder = tmp_path_factory.mktemp("charts") / "platform"
    shutil.copytree(CHART, folder / "charts" / "rowcast", symlinks=True)
    dependency = {"name": "rowcast", "version": "0.1.0"}
    chart = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(chart))
    return folder


def rendered(chart: Path, values: Manifest, helm: str = "helm", release: str = "prod") -> list[Manifest]:
    """What a Helm makes of a chart with these values, its resource types among it."""
    command = [str(tool(helm)), "template", release, str(chart), "--namespace", "team", "--include-crds"]
    # What a cluster would say; by itself Helm 3 takes it for an old one.
    command += ["--kube-version", "1.36.3"]
    done = subprocess.run(
        [*command, "--values", "-"], input=json.dumps(values), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.load_all(done.stdout, yaml.CSafeLoader) if manifest]


NO_CLUSTER = {"global": {"dapr": {"requireCrds": False}}}


@pytest.mark.parametrize("helm", HELMS)
def test_below_another_chart_it_bears_the_global_values_of_others(umbrella: Path, helm: str) -> None:
    foreign = {"imageRegistry": "mirror.example", "postgresql": {"auth": {}}, "domain": "example.com", "logLevel": 2}
    foreign |= {"image": {"repository": "argo"}, "redis": {"password": "p"}, "postgres": {"password": "p"}}
    mine = {**NO_CLUSTER, "fullnameOverride": "rc", "imagePullSecrets": [{"name": "pull"}]}
    manifests = rendered(umbrella, {"global": {**foreign, "imagePullSecrets": ["theirs"]}, "rowcast": mine}, helm)

    assert of_kind(manifests, "CustomResourceDefinition").keys() == {"appconfigs.rowcast.dev"}
    assert {"rc-crud", "rc-ui", "rc-sync-k8s"} <= of_kind(manifests, "Deployment").keys()
    for each in pods(manifests):
        assert each.spec["imagePullSecrets"] == [{"name": "pull"}, {"name": "theirs"}], each.owner
        assert each.containers[0]["image"].startswith("mirror.example/"), each.owner
    assert pod(manifests, "crud").environment["ROWCAST_LOG_LEVEL"] == "info"


@pytest.mark.parametrize("helm", HELMS)
def test_a_name_of_ones_own_is_that_of_every_part(helm: str) -> None:
    manifests = rendered(CHART, {**NO_CLUSTER, "nameOverride": "rc"}, helm)

    named = {manifest["metadata"]["labels"]["app.kubernetes.io/name"] for manifest in manifests if labelled(manifest)}
    assert named == {"rc"}
    workloads = {**of_kind(manifests, "Deployment"), **of_kind(manifests, "StatefulSet")}
    assert all(name.startswith("prod-rc-") for name in workloads)
    for each in workloads.values():
        template = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"].items() <= template.items()
    for policy in of_kind(manifests, "NetworkPolicy").values():
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "rc"


def test_a_name_of_the_chart_goes_before_the_global_one() -> None:
    assert "mine-crud" in of_kind(render("fullnameOverride=mine", "global.fullnameOverride=x"), "Deployment")
    assert "x-crud" in of_kind(render("global.fullnameOverride=x"), "Deployment")


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_the_helm_before_makes_the_same_objects(values: Path) -> None:
    given = yaml.safe_load(values.read_text()) or {}
    given.setdefault("global", {}).setdefault("dapr", {})["requireCrds"] = False
    now, before = (rendered(CHART, given, helm, "rowcast") for helm in HELMS)

    assert without_passwords(now) == without_passwords(before)


def labelled(manifest: Manifest) -> bool:
    """Of the release, and no resource type."""
    return "labels" in manifest["metadata"] and manifest["kind"] != "CustomResourceDefinition"


def without_passwords(manifests: list[Manifest]) -> list[Manifest]:
    """Made-up values differ with each rendering."""
    secrets = [{**each, "data": sorted(each["data"])} for each in manifests if each["kind"] == "Secret"]
    rest = [each for each in manifests if each["kind"] != "Secret"]
    return sorted([*secrets, *rest], key=lambda each: (each["kind"], each["metadata"]["name"]))
