"""Makes the images that are asked for, and says where their archives are: what the command line and tests call."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from rowcast_images.archives import Made, forget_old, place
from rowcast_images.builders import Builder
from rowcast_images.building import ARCHIVE, Workshop
from rowcast_images.catalogue import BASES, Base, Image, bases, images
from rowcast_images.dockerfile import Dockerfile
from rowcast_images.finding import Finder
from rowcast_images.inputs import snapshot
from rowcast_images.machine import write_secrets
from rowcast_images.mounts import mount_namespace
from rowcast_images.references import REGISTRY, Naming
from rowcast_images.rootfs import Distribution, distribution
from rowcast_images.sbom import FILE as SBOM
from rowcast_images.sbom import by_syft
from rowcast_local.paths import CHECKOUT, cache_folder
from rowcast_local.provision.commands import Commands, Running
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.step import Step
from rowcast_local.provision.tools import tool


class BaseImages(StrEnum):
    """Where base images come from."""

    AUTO = "auto"
    PUBLIC = "public"
    LOCAL = "local"


def build(
    names: Sequence[str] = (),
    *,
    tag: str,
    output: Path,
    registry: str = REGISTRY,
    base: str = "auto",
    builder: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Makes the images `names` (none: all) and returns the docker-archive of each, a file `<name>.tar` in `output`.

    The references in them are `<registry>/rowcast/<name>:<tag>`. What was built of the same inputs before comes from
    the cache, within a second or two. Raises ImagesError or StepError, with what to do.
    """
    made = make(names, Naming(registry, tag), base=BaseImages(base), builder=builder, progress=progress)
    return {image.name: placed.archive for image, placed in zip(made, place(made, output), strict=True)}


def make(
    names: Sequence[str],
    naming: Naming,
    *,
    base: BaseImages = BaseImages.AUTO,
    builder: str | None = None,
    progress: Progress | None = None,
) -> tuple[Made, ...]:
    """Makes images; their archives are in the cache. Raises ImagesError or StepError."""
    chosen = images(names)
    cache = cache_folder() / "images"
    if progress is None:
        with Progress() as own:
            return make(names, naming, base=base, builder=builder, progress=own)
    with _alone(cache, progress), tempfile.TemporaryDirectory() as scratch, mount_namespace() as inside:
        program = Finder(cache / "storage", cache / "logs", inside).find(builder)
        local = _local(base, program, progress)
        source, given = (Path(scratch, name) for name in ("source", "secrets"))
        given.mkdir(mode=0o700)
        secrets = write_secrets(given, sources=local.sources if local else None, mounts=program.mounts)
        parts: tuple[Image | Base, ...] = (*chosen, *BASES)
        snapshot([file for part in parts for file in part.files], source)
        workshop = Workshop(cache, source, program, naming, secrets, local)
        return _run(workshop, chosen, progress)


def with_sboms(made: Sequence[Made], progress: Progress) -> tuple[Made, ...]:
    """Each with its bill of materials: those that have none get one by our own syft, which is built if it isn't there.

    Raises StepError or CommandError.
    """
    cache = cache_folder() / "images"
    described = []
    with _alone(cache, progress):
        for image in made:
            if image.sbom is None:
                (cache / "logs").mkdir(exist_ok=True)
                Commands(Running(), cache / "logs" / "sbom.log").run(
                    *by_syft(tool("syft"), image.name, image.archive), folder=image.archive.parent
                )
            described.append(replace(image, sbom=image.archive.with_name(SBOM)))
    return tuple(described)


def clean(progress: Progress) -> int:
    """Throws away what was built and the layers below; returns how many bytes of archives that were."""
    cache = cache_folder() / "images"
    with _alone(cache, progress):
        size = sum(file.stat().st_size for file in cache.glob(f"*/{ARCHIVE}"))
        for folder in (path for path in cache.iterdir() if path.is_dir()):
            shutil.rmtree(folder, ignore_errors=True)
    return size


def _local(base: BaseImages, builder: Builder, progress: Progress) -> Distribution | None:
    if base is BaseImages.PUBLIC:
        return None
    if base is BaseImages.AUTO:
        public = Dockerfile(CHECKOUT / "services/Dockerfile").arguments["PYTHON_IMAGE"]
        if builder.can_pull(public):
            return None
        progress.say(f"  No registry gives {public} here: base images are made on this machine (--base local).")
    return distribution()


def _run(workshop: Workshop, chosen: Sequence[Image], progress: Progress) -> tuple[Made, ...]:
    targets = {image: workshop.image_step(image).target for image in chosen}
    missing = [image for image, target in targets.items() if not target.exists()]
    if missing:
        workshop.builder.tidy()
    run_steps([*_base_steps(workshop, missing), *map(workshop.image_step, missing)], workshop.cache, progress)
    for image, target in targets.items():
        os.utime(target)
        forget_old(workshop.cache, image.name)
        if workshop.builder.keeps_its_own and not workshop.builder.has(workshop.naming.reference(image.name)):
            workshop.builder.take_in(target / ARCHIVE)
    return tuple(_made(workshop, image, target) for image, target in targets.items())


def _base_steps(workshop: Workshop, missing: Sequence[Image]) -> list[Step]:
    if workshop.local is None or not missing:
        return []
    needed = bases(missing)
    for base in needed:
        if not workshop.builder.has(workshop.base_reference(base)):
            shutil.rmtree(workshop.base_target(base), ignore_errors=True)
    return [workshop.rootfs_step(), *map(workshop.base_step, needed)]


def _made(workshop: Workshop, image: Image, folder: Path) -> Made:
    sbom = folder / SBOM
    reference = workshop.naming.reference(image.name)
    only_archive = not workshop.builder.keeps_its_own
    return Made(image.name, reference, folder / ARCHIVE, sbom if sbom.exists() else None, only_archive)


@contextmanager
def _alone(cache: Path, progress: Progress) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("  Waiting for another run that builds images")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
