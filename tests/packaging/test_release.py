"""A release into a real registry: what people pull and install afterwards is all there. Its images are tiny ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from charting.rendering import CHART, CHECKOUT
from rowcast_cluster.images import Image as Program
from rowcast_cluster.images import write_archive
from rowcast_images.catalogue import IMAGES
from rowcast_images.references import version
from rowcast_local.provision.tools import tool
from rowcast_release.errors import ReleaseError
from rowcast_release.programs import output, own_registry
from rowcast_release.publishing import (
    Version,
    lacks,
    names_in_chart,
    publish_chart,
    publish_images,
    refuse_what_is_there,
)

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
A_CLUSTER = ("--api-versions", "dapr.io/v1alpha1")
"""What a cluster with Dapr says to Helm, as `helm install` hears it."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the workflow's jobs fill."""
    folder = tmp_path_factory.mktemp("images")
    with pytest.MonkeyPatch.context() as patch:
        for architecture, machine in MACHINES.items():
            patch.setattr("platform.machine", lambda machine=machine: machine)
            (folder / architecture).mkdir()
            for image in IMAGES:
                program = folder / "program"
                program.write_text(f"{image.name} for {architecture}")
                archive = folder / architecture / f"{image.name}.tar"
                write_archive(Program(f"built/{image.name}:1", image.name, "program"), program, archive)
                archive.with_name(f"{image.name}.cdx.json").write_text('{"bomFormat": "CycloneDX"}')
    return folder


@pytest.fixture(scope="module")
def released(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Version]:
    with own_registry(tmp_path_factory.mktemp("registry")) as place:
        wanted = Version(CHECKOUT, version(), f"{place}/team", built, plain=True)
        refuse_what_is_there(wanted)
        publish_images(wanted, lambda _: None)
        publish_chart(wanted, tmp_path_factory.mktemp("chart"))
        yield wanted


def test_every_image_of_ours_that_the_chart_names_can_be_pulled_for_both_architectures(released: Version) -> None:
    named = names_in_chart(released)

    parts = {image.removeprefix(f"{released.place}/rowcast/") for image in named}
    assert {f"{name}:{version()}" for name in ("services", "ui", "kafka", "connect", "postgres", "git-server")} == parts
    assert set(named.values()) == {("amd64", "arm64")}


def test_a_machine_gets_the_image_that_was_built_for_it(released: Version, tmp_path: Path) -> None:
    reference = released.naming.reference("ui")
    for architecture in MACHINES:
        output(tool("crane"), "export", f"--platform=linux/{architecture}", reference, tmp_path / "files.tar")
        said = output("tar", "--extract", "--to-stdout", "--file", tmp_path / "files.tar", "program")
        assert said == f"ui for {architecture}"


def test_the_chart_of_a_release_installs_as_it_is_and_that_of_a_checkout_says_what_is_missing(
    released: Version,
) -> None:
    chart = ("--version", version(), "--plain-http")
    assert output(tool("helm"), "template", "rowcast", f"oci://{released.charts}", *chart, *A_CLUSTER)

    with pytest.raises(ReleaseError, match=r"nobody publishes the images that it names \(ghcr"):
        output(tool("helm"), "template", "rowcast", CHART, *A_CLUSTER)


@pytest.mark.parametrize(
    "named", ["global.image.registry=mine.example", "global.imageRegistry=m", "global.image.tag=mine"]
)
def test_the_chart_of_a_checkout_takes_images_of_ones_own(named: str) -> None:
    assert output(tool("helm"), "template", "rowcast", CHART, *A_CLUSTER, "--set", named)


def test_a_version_is_published_once(released: Version) -> None:
    with pytest.raises(ReleaseError, match=f"services:{version()} is published already, and a version never changes"):
        refuse_what_is_there(released)


def test_a_release_that_lacks_a_file_names_it(built: Path) -> None:
    whole = Version(CHECKOUT, version(), "", built)
    assert lacks(whole) == []

    hidden = built / "arm64" / "ui.cdx.json"
    kept = hidden.rename(hidden.with_suffix(".kept"))
    try:
        assert lacks(whole) == ["no bill of materials arm64/ui.cdx.json"]
    finally:
        kept.rename(hidden)


def test_a_dry_run_tries_all_of_it_and_says_what_keeps_the_commit_from_being_released(built: Path) -> None:
    command = [sys.executable, "-m", "rowcast_release", "--dry-run", "--tag", f"v{version()}", "--images", str(built)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert f"Tried: v{version()}, {len(IMAGES) * 3 + 1} objects." in done.stderr, done.stderr
    assert f"CHANGELOG.md has no line `## [{version()}]" in done.stderr
    assert done.returncode == 1


def test_nothing_is_published_of_a_commit_that_is_not_ready(built: Path) -> None:
    command = [sys.executable, "-m", "rowcast_release", "--yes", "--tag", "v99.0.0", "--registry", "127.0.0.1:1"]
    done = subprocess.run([*command, "--images", str(built)], cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"pyproject.toml: version is {version()}, and not 99.0.0" in done.stderr
    assert "v99.0.0 is not ready" in done.stderr
