"""A release into a real registry: what people pull and install afterwards is all there. Its images are tiny ones."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charting.rendering import CHART, CHECKOUT
from leaving_out import leave_out
from rowcast_cluster.images import Image as Program
from rowcast_cluster.images import write_archive
from rowcast_images.catalogue import IMAGES
from rowcast_images.references import version
from rowcast_local.provision.tools import is_built, tool
from rowcast_release.errors import ReleaseError
from rowcast_release.programs import output, own_registry
from rowcast_release.publishing import (
    Published,
    Version,
    lacks,
    names_in_chart,
    publish_chart,
    publish_images,
    refuse_what_is_there,
    sign,
)
from rowcast_release.signing import Signer, provenance

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


@pytest.fixture(scope="module")
def signed(released: Version, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public key by which the chart and one image are signed, the latter as a whole and for one architecture."""
    if not is_built("cosign"):
        leave_out("no cosign built here (.venv/bin/python -m rowcast_local tool cosign)", optional=True)
    folder = tmp_path_factory.mktemp("key")
    (folder / "provenance.json").write_text(provenance("c0ffee", f"v{version()}", {}))
    image = released.naming.reference("ui")
    names = {
        image: None,
        f"{image}-amd64": released.images / "amd64" / "ui.cdx.json",
        f"{released.charts}:{version()}": None,
    }
    signer = Signer.with_own_key(folder)
    published = [
        Published(f"{name.rpartition(':')[0]}@{output(tool('crane'), 'digest', name).strip()}", sbom)
        for name, sbom in names.items()
    ]
    sign(published, signer, folder / "provenance.json")
    return folder / "trial.pub"


def cosign(key: Path, verb: str, *words: str) -> str:
    """What people run, with the key that only a trial has."""
    return output(tool("cosign"), verb, f"--key={key}", "--insecure-ignore-tlog", *words)


def predicate(key: Path, kind: str, reference: str) -> dict[str, Any]:
    envelope = json.loads(cosign(key, "verify-attestation", "--type", kind, reference))
    said: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    return said


def test_who_pulls_a_release_can_tell_who_signed_it_and_what_it_is_made_of(signed: Path, released: Version) -> None:
    image = released.naming.reference("ui")
    for name in (image, f"{image}-amd64", f"{released.charts}:{version()}"):
        assert cosign(signed, "verify", name)
        made = predicate(signed, "slsaprovenance1", name)["buildDefinition"]
        assert made["resolvedDependencies"][0]["digest"] == {"gitCommit": "c0ffee"}
    assert predicate(signed, "cyclonedx", f"{image}-amd64")["bomFormat"] == "CycloneDX"


def test_what_nobody_signed_is_told_from_a_release(signed: Path, released: Version, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no signatures found"):
        cosign(signed, "verify", released.naming.reference("services"))
    with pytest.raises(ReleaseError, match="no matching signatures"):
        Signer.with_own_key(tmp_path).verify(released.naming.reference("ui"))
    with pytest.raises(ReleaseError):
        Signer(signed.with_suffix(".key")).verify(released.naming.reference("ui"), ["cyclonedx"])


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
