"""Puts a version into a registry: each image for each architecture and as one, then the chart that names them."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rowcast_images.catalogue import IMAGES
from rowcast_images.references import REGISTRY, Naming
from rowcast_local.provision.tools import tool
from rowcast_release.errors import ReleaseError
from rowcast_release.programs import output
from rowcast_release.readiness import CHART
from rowcast_release.signing import Signer

ARCHITECTURES = ("amd64", "arm64")
UNPUBLISHED = f"  rowcast.dev/unpublished: {REGISTRY}\n"
"""The annotation by which the chart of a checkout knows that nobody publishes the images that it names."""


@dataclass(frozen=True)
class Version:
    """What is published: `version` of `checkout` at `commit`, into the registry `place` (`host[:port][/path]`).

    `images` has a folder for each architecture with `NAME.tar` (docker-archive) and `NAME.cdx.json` (CycloneDX).
    `plain`: the registry speaks HTTP.
    """

    checkout: Path
    version: str
    place: str
    images: Path
    plain: bool = False

    @property
    def naming(self) -> Naming:
        """What the images are called."""
        return Naming(self.place, self.version)

    @property
    def architectures(self) -> tuple[str, ...]:
        """Those that there is any image for."""
        return tuple(each for each in ARCHITECTURES if (self.images / each).is_dir())

    @property
    def charts(self) -> str:
        """The repository of the chart."""
        return f"{self.place}/charts/rowcast"


@dataclass(frozen=True)
class Published:
    """A reference by digest, and the bill of materials of what it names, if there is one."""

    reference: str
    sbom: Path | None = None


def lacks(version: Version) -> list[str]:
    """What a whole release has and `version.images` hasn't, a sentence each."""
    what = {"tar": "image", "cdx.json": "bill of materials"}
    return [
        f"no {what[end]} {architecture}/{image.name}.{end}"
        for architecture in ARCHITECTURES
        for image in IMAGES
        for end in what
        if not (version.images / architecture / f"{image.name}.{end}").is_file()
    ]


def refuse_what_is_there(version: Version) -> None:
    """A version never changes. Raises ReleaseError if anything is published under it."""
    for name in (version.naming.reference(image.name) for image in IMAGES):
        if _exists(name):
            raise ReleaseError(
                f"{name} is published already, and a version never changes: raise it, or delete what a release that "
                "failed has left"
            )


def publish_images(version: Version, say: Callable[[str], None]) -> list[Published]:
    """Pushes what there is; one name for all architectures. Returns each index and each image, by digest."""
    crane = tool("crane")
    names = sorted({file.stem for each in version.architectures for file in (version.images / each).glob("*.tar")})
    done = []
    for name in names:
        reference = version.naming.reference(name)
        pushed = []
        for architecture in version.architectures:
            archive = version.images / architecture / f"{name}.tar"
            sbom = archive.with_name(f"{name}.cdx.json")
            by_digest = output(crane, "push", archive, f"{reference}-{architecture}").strip()
            pushed.append(Published(by_digest, sbom if sbom.is_file() else None))
        manifests = [word for each in pushed for word in ("--manifest", each.reference)]
        index = output(crane, "index", "append", *manifests, "--tag", reference).strip()
        done += [Published(index), *pushed]
        say(f"{reference} ({', '.join(version.architectures)})")
    return done


def released_chart(version: Version, folder: Path) -> Path:
    """A copy in `folder` of the chart that names the images of the release. Raises ReleaseError."""
    chart = folder / "rowcast"
    shutil.copytree(version.checkout / CHART, chart)
    _replace(chart / "values.yaml", f"    registry: {REGISTRY}\n", f"    registry: {version.place}\n")
    _replace(chart / "Chart.yaml", UNPUBLISHED, "")
    return chart


def publish_chart(version: Version, folder: Path) -> Published:
    """Packs and pushes it; `folder` is for the copy and the archive. Raises ReleaseError."""
    helm = tool("helm")
    output(helm, "package", released_chart(version, folder), "--destination", folder)
    archive = folder / f"rowcast-{version.version}.tgz"
    plain = ("--plain-http",) if version.plain else ()
    # Helm says what it did on either, by its version.
    pushed = subprocess.run(
        (str(helm), "push", str(archive), f"oci://{version.place}/charts", *plain),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    digest = re.search(r"^Digest: (sha256:[0-9a-f]{64})$", pushed.stdout, re.MULTILINE)
    if pushed.returncode or digest is None:
        raise ReleaseError(f"the chart could not be pushed: {pushed.stdout.strip().splitlines()[-1]}")
    return Published(f"{version.charts}@{digest[1]}")


def sign(published: Sequence[Published], signer: Signer, provenance: Path) -> None:
    """Signs all of it, says what it is made of and by whom, and has that verified. Raises ReleaseError."""
    for each in published:
        said = {"slsaprovenance1": provenance, **({"cyclonedx": each.sbom} if each.sbom else {})}
        signer.sign(each.reference)
        for kind, predicate in said.items():
            signer.attest(each.reference, kind, predicate)
        signer.verify(each.reference, [*said])


def names_in_chart(version: Version) -> dict[str, tuple[str, ...]]:
    """The images of ours that the published chart runs, got as people get it, with the architectures of each.

    Raises ReleaseError for one that isn't there.
    """
    plain = ("--plain-http",) if version.plain else ()
    chart = ("--version", version.version, *plain, "--set", "global.dapr.requireCrds=false")
    text = output(tool("helm"), "template", "rowcast", f"oci://{version.charts}", *chart, "--skip-tests")
    images = {
        container["image"]
        for manifest in yaml.safe_load_all(text)
        for container in _containers(manifest)
        if container["image"].startswith(f"{version.place}/")
    }
    return {image: _architectures(image) for image in sorted(images)}


def _containers(value: Any) -> list[dict[str, Any]]:
    """All that has an image, however deep."""
    if isinstance(value, list):
        return [found for each in value for found in _containers(each)]
    if not isinstance(value, Mapping):
        return []
    own = [dict(value)] if isinstance(value.get("image"), str) and "name" in value else []
    return own + [found for each in value.values() for found in _containers(each)]


def _architectures(image: str) -> tuple[str, ...]:
    index = json.loads(output(tool("crane"), "manifest", image))
    return tuple(each["platform"]["architecture"] for each in index["manifests"])


def _exists(reference: str) -> bool:
    """Raises ReleaseError if the registry doesn't say."""
    try:
        output(tool("crane"), "digest", reference)
    except ReleaseError as error:
        if any(word in str(error) for word in ("MANIFEST_UNKNOWN", "NAME_UNKNOWN", "404")):
            return False
        raise
    return True


def _replace(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    if text.count(before) != 1:
        raise ReleaseError(
            f"{file.name} of the chart has not once the line {before.strip()!r}, which a release replaces"
        )
    file.write_text(text.replace(before, after))
