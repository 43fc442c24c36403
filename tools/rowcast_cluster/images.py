"""Images of one static program each, written as docker-archives: no registry, no builder, the same bytes each time."""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rowcast_local.provision.go_parts import DAPR

REGISTRY = "rowcast.test"
DAPR_REGISTRY = f"{REGISTRY}/dapr"
PAUSE = f"{REGISTRY}/pause:1"
PROBE = f"{REGISTRY}/probe:1"
"""Answers requests with what it got, and looks at the cluster from inside: `tools/go/probe`."""
COREDNS = f"{REGISTRY}/coredns:1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# As the images that Dapr publishes, whose chart insists that they aren't root's.
NOBODY = 65532
AT_ONCE = 2


@dataclass(frozen=True)
class Image:
    """The program of the Go part `part`, at `/<program>` of an image called `name`."""

    name: str
    part: str
    program: str


# What a node that is made here can't do without.
NODE_IMAGES = (Image(PAUSE, "pause", "pause"), Image(COREDNS, "coredns", "coredns"))
IMAGES = (
    Image(PROBE, "probe", "probe"),
    Image(f"{DAPR_REGISTRY}/daprd:{DAPR}", "daprd", "daprd"),
    *(
        Image(f"{DAPR_REGISTRY}/{name}:{DAPR}", f"dapr-{name}", name)
        for name in ("operator", "injector", "sentry", "placement")
    ),
)


def load_images(images: Sequence[Image], programs: Mapping[str, Path], load: Callable[[Path], None]) -> None:
    """Has `load` take an archive of each of `images`, made of `programs`, by part; the archives are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rowcast-images-") as folder:

        def one(image: Image) -> None:
            archive = Path(folder, f"{image.part}.tar")
            write_archive(image, programs[image.part], archive)
            load(archive)
            archive.unlink()

        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            list(pool.map(one, images))


def write_archive(image: Image, binary: Path, archive: Path) -> None:
    """Writes `image`, with `binary` in it, to `archive`, in the form of `docker save`."""
    layer = archive.with_suffix(".layer")
    try:
        _write_layer(image, binary, layer)
        with layer.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        config = json.dumps(_config(image, digest)).encode()
        manifest = [{"Config": "config.json", "RepoTags": [image.name], "Layers": ["layer.tar"]}]
        with tarfile.open(archive, "w") as tar:
            _add(tar, "manifest.json", io.BytesIO(json.dumps(manifest).encode()))
            _add(tar, "config.json", io.BytesIO(config))
            with layer.open("rb") as stream:
                _add(tar, "layer.tar", stream)
    finally:
        layer.unlink(missing_ok=True)


def _write_layer(image: Image, binary: Path, layer: Path) -> None:
    with tarfile.open(layer, "w") as tar:
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(temporary)
        with binary.open("rb") as stream:
            _add(tar, image.program, stream, mode=0o755)


def _config(image: Image, layer: str) -> dict[str, object]:
    return {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [f"/{image.program}"], "User": f"{NOBODY}:{NOBODY}", "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    }


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], mode: int = 0o644) -> None:
    information = tarfile.TarInfo(name)
    information.mode = mode
    information.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    tar.addfile(information, content)
