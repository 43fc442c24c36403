"""The steps by which images become docker-archives in the shared cache, each named by what decides its content."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_images.builders import Build, Builder
from rowcast_images.catalogue import BASES, ROOTFS, Base, Image
from rowcast_images.inputs import key_of, revision
from rowcast_images.machine import Secrets
from rowcast_images.references import Naming, version
from rowcast_images.rootfs import Distribution, make_rootfs
from rowcast_images.sbom import write_sbom
from rowcast_local.provision.commands import Commands
from rowcast_local.provision.step import Step

ARCHIVE = "image.tar"
# Two at once: one downloads while the other unpacks. More only share the same two cores.
AT_ONCE = 2


@dataclass(frozen=True)
class Workshop:
    """Where and by what images are made.

    `source` has the files of the catalogue, as they are in the checkout; `local` is what base images are made from
    here, or None if they are public.
    """

    cache: Path
    source: Path
    builder: Builder
    naming: Naming
    secrets: Secrets
    local: Distribution | None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE))

    def rootfs_step(self) -> Step:
        """Makes the root file system of the local base images."""
        assert self.local
        wanted = self.local
        key = key_of([ROOTFS], [wanted.suite, wanted.mirror], self.source)
        target = self.cache / f"rootfs-{wanted.suite}-{key}"
        return Step(f"{wanted.suite} by debootstrap", target, lambda folder, run: make_rootfs(folder, wanted, run))

    def base_key(self, base: Base) -> str:
        """What decides a local base image."""
        below = [self.base_key(each) for each in _bases(base.bases)]
        return key_of(base.files, [*below, self.rootfs_step().target.name], self.source)

    def base_reference(self, base: Base) -> str:
        """What a local base image is called."""
        return f"localhost/rowcast-base/{base.name}:{self.base_key(base)}"

    def arguments(self, names: Sequence[str]) -> dict[str, str]:
        """The build arguments for base images; the Dockerfiles' own defaults are the public ones."""
        return {base.argument: self.base_reference(base) for base in _bases(names)} if self.local else {}

    def base_target(self, base: Base) -> Path:
        """The folder that says that the builder has been given it."""
        return self.cache / f"base-{base.name}-{self.builder.name}-{self.base_key(base)}"

    def base_step(self, base: Base) -> Step:
        """Makes a local base image."""
        reference = self.base_reference(base)
        needs: list[str] = [self.rootfs_step().name, *(_base_name(name) for name in base.bases)]

        def build(folder: Path, commands: Commands) -> None:
            context = self.rootfs_step().target if base.rootfs else self.source
            arguments = self.arguments(base.bases)
            self._build(reference, base.dockerfile, base.name, context, arguments, commands)
            (folder / "reference").write_text(reference)

        return Step(_base_name(base.name), self.base_target(base), build, needs=tuple(needs))

    def image_key(self, image: Image) -> str:
        """What decides an archive: the files, the base images, the names in it, and how it is built."""
        bases = [f"{name}={value}" for name, value in sorted(self.arguments(image.bases).items())]
        labels = [f"{name}={value}" for name, value in _labels(image).items()]
        more = [image.target, self.naming.reference(image.name), self.builder.name, *bases, *labels]
        return key_of(image.files, more, self.source)

    def image_step(self, image: Image) -> Step:
        """Makes an image and its archive."""
        reference = self.naming.reference(image.name)
        needs = [_base_name(name) for name in image.bases] + [_image_name(name) for name in (image.after,) if name]
        target = self.cache / f"{image.name}-{self.image_key(image)}"

        def build(folder: Path, commands: Commands) -> None:
            labels = _labels(image)
            arguments = self.arguments(image.bases) | {name.upper(): value for name, value in labels.items()}
            self._build(reference, image.dockerfile, image.target, self.source, arguments, commands, labels)
            commands.run(*self.builder.save(reference, folder / ARCHIVE), folder=folder)
            write_sbom(image.name, folder / ARCHIVE, commands)

        return Step(_image_name(image.name), target, build, needs=tuple(needs))

    def _build(
        self,
        reference: str,
        dockerfile: str,
        target: str,
        context: Path,
        arguments: Mapping[str, str],
        commands: Commands,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        build = Build(
            reference,
            self.source / dockerfile,
            target,
            context,
            arguments,
            self.secrets.files,
            self.secrets.wheels,
            labels or {},
        )
        with self.turn:
            commands.run(*self.builder.build(build), folder=self.source, environment=self.builder.environment)


def _labels(image: Image) -> dict[str, str]:
    return {"version": version(), "revision": revision(image.files)}


def _bases(names: Sequence[str]) -> tuple[Base, ...]:
    return tuple(base for base in BASES if base.name in names)


def _base_name(name: str) -> str:
    return f"base image of {name}"


def _image_name(name: str) -> str:
    return f"image {name}"
