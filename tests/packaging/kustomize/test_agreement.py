"""Chart and Kustomize are two ways to the same objects: for the same choices, they make the same."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rowcast.cli import app
from rowcast_local.paths import CHECKOUT
from rowcast_local.provision.tools import tool
from rowcast_manifests.__main__ import CHART, present, stale, wanted
from rowcast_manifests.chart import render
from rowcast_manifests.merge import merge
from rowcast_manifests.objects import Identity, Manifest, index, parse
from rowcast_manifests.options import OPTIONS
from rowcast_manifests.tree import values_of

KUSTOMIZE = CHECKOUT / "kustomize"
ROWS = KUSTOMIZE / "tests" / "rows-of-ones-own"
COMBINATIONS = sorted(
    folder for folder in (KUSTOMIZE / "tests").iterdir() if folder.name not in ("in-namespace", ROWS.name)
)
OF_HELM = {"app.kubernetes.io/managed-by", "helm.sh/chart"}
PROD_SETTINGS = yaml.safe_load((KUSTOMIZE / "overlays" / "prod" / "settings.yaml").read_text())["data"]


def test_the_made_files_are_what_the_chart_makes_of_them() -> None:
    assert stale(wanted(tool("helm")), present()) == [], "run ./task manifests"


@pytest.mark.parametrize("folder", COMBINATIONS, ids=lambda folder: folder.name)
def test_a_combination_of_components_gives_what_the_chart_gives_for_the_same_choices(folder: Path) -> None:
    assert_same(build(folder), of_the_chart(components(folder), "somewhere-else"))


def test_the_overlay_for_development_is_the_chart_with_everything_included() -> None:
    built = build(KUSTOMIZE / "overlays" / "dev")
    brought = {identity for identity in built if identity.kind in ("Secret", "Namespace")}
    assert_same(without(built, brought), of_the_chart((), "rowcast"))


def test_the_overlay_for_development_brings_every_secret_that_its_pods_name() -> None:
    built = build(KUSTOMIZE / "overlays" / "dev")
    named = set(secrets_named(list(built.values())))
    assert named == {identity.name for identity in built if identity.kind == "Secret"}


def test_the_overlay_for_production_is_the_chart_with_ones_own_parts() -> None:
    folder = KUSTOMIZE / "overlays" / "prod"
    namespace = Identity("", "Namespace", "", "rowcast")
    assert_same(without(build(folder), {namespace}), of_the_chart(components(folder), "rowcast"))


def test_a_setting_of_production_reaches_every_place_that_has_it(tmp_path: Path) -> None:
    built = yaml.safe_dump_all(build(overlay_with(tmp_path, "example.com", "ours.test")).values())
    assert "example.com" not in built
    assert all(value.replace("example.com", "ours.test") in built for value in PROD_SETTINGS.values())


def test_every_component_is_part_of_a_combination() -> None:
    tried = {component for folder in (*COMBINATIONS, ROWS) for component in components(folder)}
    assert tried == {option.name for option in OPTIONS}


def test_declarations_and_their_rights_are_an_overlays_own_and_all_else_is_what_the_chart_gives() -> None:
    built = build(ROWS)
    ours = {one.kind: one for one in built if one.name.startswith("rowcast-renderers") and one.kind != "Job"}
    theirs = of_the_chart(components(ROWS), "somewhere-else")
    (job,) = (built[one] for one in built if one.kind == "Job" and "renderers" in one.name)
    volumes = job["spec"]["template"]["spec"]["volumes"]

    assert set(ours) == {"ConfigMap", "ClusterRole", "ClusterRoleBinding"}
    assert built[ours["ConfigMap"]]["data"] == {"shops.yaml": (ROWS / "shops.yaml").read_text()}
    (mounted,) = (volume["configMap"] for volume in volumes if volume["name"] == "renderers")
    assert mounted["name"] == ours["ConfigMap"].name, "a changed text is another job"
    mounted["name"] = "rowcast-renderers"
    assert_same(without(built, set(ours.values())), theirs)


def test_the_rights_of_that_overlay_are_what_the_command_prints() -> None:
    command = ["renderer", "rights", str(ROWS / "shops.yaml"), "--service-account", "somewhere-else/rowcast-sync-k8s"]
    assert CliRunner().invoke(app, command).stdout == (ROWS / "rights.yaml").read_text()


def test_the_page_names_the_images_that_the_manifests_have() -> None:
    page = (KUSTOMIZE / "README.md").read_text()
    named = {
        f"{registry}/{name}"
        for registry, names in re.findall(r"`([a-z./]+)/\{([a-z,-]+)\}`", page)
        for name in names.split(",")
    }
    content = "\n".join(text for path, text in present().items() if path.parts[0] == "kustomize")
    assert named == {image.rpartition(":")[0] for image in re.findall(r"image: (\S+)", content)}


def test_a_pod_of_a_part_that_is_left_out_is_nowhere() -> None:
    assert not any("git" in identity.name for identity in build(KUSTOMIZE / "tests" / "only-kubernetes"))


def build(folder: Path) -> dict[Identity, Manifest]:
    done = subprocess.run([str(tool("kustomize")), "build", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def of_the_chart(chosen: Iterable[str], namespace: str) -> dict[Identity, Manifest]:
    return index(render(tool("helm"), CHART, merge(values_of(chosen)), namespace))


def components(folder: Path) -> list[str]:
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return [Path(path).name for path in kustomization.get("components", [])]


def without(objects: Mapping[Identity, Manifest], left_out: set[Identity]) -> dict[Identity, Manifest]:
    return {identity: manifest for identity, manifest in objects.items() if identity not in left_out}


def assert_same(ours: Mapping[Identity, Manifest], theirs: Mapping[Identity, Manifest]) -> None:
    assert sorted(ours) == sorted(theirs)
    for identity, manifest in theirs.items():
        assert meaning(ours[identity]) == meaning(manifest), identity


def meaning(value: Any) -> Any:
    """Without what only says who applied it, and without the order where it says nothing."""
    if isinstance(value, dict):
        return {key: meaning(entry) for key, entry in value.items() if key not in OF_HELM}
    if isinstance(value, list):
        entries = [meaning(entry) for entry in value]
        named = all(isinstance(entry, dict) and "name" in entry for entry in entries)
        return sorted(entries, key=lambda entry: str(entry["name"])) if named else entries
    return value


def secrets_named(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if key == "secretName":
                yield entry
            elif key == "secretKeyRef":
                yield entry["name"]
            else:
                yield from secrets_named(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from secrets_named(entry)


def overlay_with(folder: Path, text: str, replacement: str) -> Path:
    """A copy of the tree whose production settings say `replacement` wherever they said `text`."""
    subprocess.run(["cp", "-R", str(KUSTOMIZE), str(CHECKOUT / "dapr-components"), str(folder)], check=True)
    settings = folder / "kustomize" / "overlays" / "prod" / "settings.yaml"
    settings.write_text(settings.read_text().replace(text, replacement))
    return settings.parent
