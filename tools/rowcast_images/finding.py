"""Which builder this machine has that works."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rowcast_images.builders import Builder
from rowcast_images.errors import ImagesError
from rowcast_images.packages import ensure_program
from rowcast_local.provision.commands import CommandError, Commands, Running

NAMES = ("docker", "podman", "buildah")


@dataclass(frozen=True)
class Finder:
    """`storage` is where buildah keeps layers, `logs` where an installation is told of.

    `inside` begins a command of buildah that should make its mounts out of everybody's sight.
    """

    storage: Path
    logs: Path
    inside: tuple[str, ...] = ()

    def find(self, wanted: str | None) -> Builder:
        """The wanted builder, or the first that works; with none, and as root, buildah is installed.

        Raises ImagesError if none works, or not the wanted one.
        """
        there = [name for name in NAMES if shutil.which(name) and wanted in (None, name)]
        for name in there:
            builder = self._builder(name)
            if builder.works():
                return builder
        if wanted == "buildah" or wanted is None:
            return self._installed_buildah(there)
        state = f"can't build here: `{wanted} info` says why" if there else "is not on this machine"
        raise ImagesError(f"{wanted} {state}; or use another --builder ({', '.join(NAMES)})")

    def _installed_buildah(self, there: Sequence[str]) -> Builder:
        self.logs.mkdir(parents=True, exist_ok=True)
        try:
            ensure_program("buildah", Commands(Running(), self.logs / "packages.log"))
        except (ImagesError, CommandError) as error:
            useless = f" ({' and '.join(there)}: there, but can't build)" if there else ""
            raise ImagesError(f"nothing here builds images{useless}; {error}") from error
        builder = self._builder("buildah")
        if not builder.works():
            raise ImagesError("buildah can't build here: `buildah info` says why")
        return builder

    def _builder(self, name: str) -> Builder:
        if name == "docker":
            return Builder(name, ("docker",), ("--progress", "plain"), {"DOCKER_BUILDKIT": "1"})
        if name == "podman":
            return Builder(name, ("podman",), ("--layers",))
        driver = "overlay" if self._overlay_works() else "vfs"
        folders = ("--root", str(self.storage / driver), "--runroot", str(self.storage / f"{driver}-run"))
        # vfs copies the whole file system for each layer: there, one layer for each stage.
        options = ("--isolation", "chroot", f"--layers={'true' if driver == 'overlay' else 'false'}")
        return Builder(name, (*self.inside, name, *folders, "--storage-driver", driver), options)

    def _overlay_works(self) -> bool:
        """Tried by a mount, as it depends on the kernel, the file system below, and who asks."""
        if not shutil.which("mount"):
            return False
        self.storage.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.storage) as scratch:
            for name in ("lower", "upper", "work", "merged"):
                Path(scratch, name).mkdir()
            options = ",".join(f"{name}dir={scratch}/{name}" for name in ("lower", "upper", "work"))
            merged = f"{scratch}/merged"
            mounted = self._quiet("mount", "-t", "overlay", "overlay", "-o", options, merged)
            return mounted and self._quiet("umount", merged)

    def _quiet(self, *command: str) -> bool:
        return subprocess.run([*self.inside, *command], capture_output=True, check=False).returncode == 0
