"""docker, podman and buildah, as far as they differ."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rowcast_images.errors import ImagesError

ASK_SECONDS = 20.0
LOAD_SECONDS = 300.0
PULL_SECONDS = 300.0
OCI = "org.opencontainers.image"


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
    labels: Mapping[str, str] = field(default_factory=dict)


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
        # buildah 1.28 takes a LABEL from its cache whatever the build arguments in it are now.
        labels = [word for name, value in build.labels.items() for word in ("--label", f"{OCI}.{name}={value}")]
        secrets = [word for name, file in build.secrets.items() for word in ("--secret", f"id={name},src={file}")]
        mounts = ["--volume", f"{build.wheels}:/run/secrets/wheels:ro"] if build.wheels and self.mounts else []
        what = ("--file", str(build.dockerfile), "--target", build.target, "--tag", build.reference)
        words = (*self.options, *arguments, *labels, *secrets, *mounts, *what, str(build.context))
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

    def tidy(self) -> None:
        """Removes what an interrupted build left half made in a storage that is ours alone."""
        if self.name == "buildah":
            self._says("rm", "--all")

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
