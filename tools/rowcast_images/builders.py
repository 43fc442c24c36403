"""docker, podman and buildah, as far as they differ."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_images.errors import ImagesError
from rowcast_images.packages import ensure_program
from rowcast_local.provision.commands import CommandError, Commands, Running

ASK_SECONDS = 20.0
LOAD_SECONDS = 300.0
PULL_SECONDS = 300.0
NAMES = ("docker", "podman", "buildah")


@dataclass(frozen=True)
class Build:
    """One build: `target` of `dockerfile` with `context`, called `reference`."""

    reference: str
    dockerfile: Path
    target: str
    context: Path
    arguments: Mapping[str, str]
    secrets: Mapping[str, Path]
    wheels: Path | None = None


@dataclass(frozen=True)
class Builder:
    """A program that builds: `command` with its global options, `options` of each build."""

    name: str
    command: tuple[str, ...]
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def keeps_its_own(self) -> bool:
        """Whether people find the images in it afterwards; buildah's are in a storage of ours."""
        return self.name != "buildah"

    def build(self, build: Build) -> tuple[str, ...]:
        """The command that makes it."""
        arguments = [word for name, value in build.arguments.items() for word in ("--build-arg", f"{name}={value}")]
        secrets = [word for name, file in build.secrets.items() for word in ("--secret", f"id={name},src={file}")]
        mounts = ["--volume", f"{build.wheels}:/run/secrets/wheels:ro"] if build.wheels and self.mounts else []
        what = ("--file", str(build.dockerfile), "--target", build.target, "--tag", build.reference)
        words = (*self.options, *arguments, *secrets, *mounts, *what, str(build.context))
        return (*self.command, "build" if self.name != "buildah" else "bud", *words)

    @property
    def mounts(self) -> bool:
        """Whether a build can be given a folder of this machine."""
        return self.name != "docker"

    def save(self, reference: str, archive: Path) -> tuple[str, ...]:
        """The command that writes an image to a docker-archive."""
        match self.name:
            case "docker":
                return (*self.command, "save", "--output", str(archive), reference)
            case "podman":
                return (
                    *self.command,
                    "save",
                    "--quiet",
                    "--format",
                    "docker-archive",
                    "--output",
                    str(archive),
                    reference,
                )
            case _:
                return (*self.command, "push", "--quiet", reference, f"docker-archive:{archive}:{reference}")

    def take_in(self, archive: Path) -> None:
        """Loads a docker-archive into the storage. Raises ImagesError."""
        if not self._says("load", "--input", str(archive), seconds=LOAD_SECONDS):
            raise ImagesError(f"`{self.name} load --input {archive}` fails")

    def has(self, reference: str) -> bool:
        """Whether an image is in the storage."""
        return self._says("inspect", "--type", "image", reference)

    def can_pull(self, reference: str) -> bool:
        """Whether a public image is in the storage, or can be had."""
        return self.has(reference) or self._says("pull", reference, seconds=PULL_SECONDS)

    def works(self) -> bool:
        """Whether it can build: its client alone isn't enough."""
        return self._says("info")

    def _says(self, *words: str, seconds: float = ASK_SECONDS) -> bool:
        command = (*self.command, *words)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                timeout=seconds,
                check=False,
                env={**os.environ, **self.environment},
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


def find_builder(wanted: str | None, storage: Path, logs: Path) -> Builder:
    """The wanted builder, or the first that works; with none, and as root, buildah is installed.

    `storage` is where buildah keeps layers, `logs` where an installation is told of. Raises ImagesError.
    """
    there = [name for name in NAMES if shutil.which(name) and wanted in (None, name)]
    for name in there:
        builder = _builder(name, storage)
        if builder.works():
            return builder
    if wanted == "buildah" or wanted is None:
        return _installed_buildah(there, storage, logs)
    state = f"can't build here: `{wanted} info` says why" if there else "is not on this machine"
    raise ImagesError(f"{wanted} {state}; or use another --builder ({', '.join(NAMES)})")


def _installed_buildah(there: Sequence[str], storage: Path, logs: Path) -> Builder:
    logs.mkdir(parents=True, exist_ok=True)
    try:
        ensure_program("buildah", Commands(Running(), logs / "packages.log"))
    except (ImagesError, CommandError) as error:
        useless = f" ({' and '.join(there)}: there, but can't build)" if there else ""
        raise ImagesError(f"nothing here builds images{useless}; {error}") from error
    builder = _builder("buildah", storage)
    if not builder.works():
        raise ImagesError("buildah can't build here: `buildah info` says why")
    return builder


def _builder(name: str, storage: Path) -> Builder:
    if name == "docker":
        return Builder(name, ("docker",), ("--progress", "plain"), {"DOCKER_BUILDKIT": "1"})
    if name == "podman":
        return Builder(name, ("podman",), ("--layers",))
    driver = "overlay" if _overlay_works(storage) else "vfs"
    folders = ("--root", str(storage / driver), "--runroot", str(storage / f"{driver}-run"))
    # vfs copies the whole file system for each layer: there, one layer for each stage.
    options = ("--isolation", "chroot", f"--layers={'true' if driver == 'overlay' else 'false'}")
    return Builder(name, (name, *folders, "--storage-driver", driver), options)


def _overlay_works(storage: Path) -> bool:
    """Tried by a mount, as it depends on the kernel, the file system below, and who asks."""
    if not shutil.which("mount"):
        return False
    storage.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=storage) as scratch:
        for name in ("lower", "upper", "work", "merged"):
            Path(scratch, name).mkdir()
        options = ",".join(f"{name}dir={scratch}/{name}" for name in ("lower", "upper", "work"))
        merged = str(Path(scratch, "merged"))
        mounted = _quiet("mount", "-t", "overlay", "overlay", "-o", options, merged)
        return mounted and _quiet("umount", merged)


def _quiet(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
