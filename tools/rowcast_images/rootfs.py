"""The root file system of the local base images: the smallest Debian, by debootstrap from this machine's own mirror."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rowcast_images.errors import ImagesError
from rowcast_images.packages import ensure_program
from rowcast_local.provision.commands import Commands

# The suite of the public images that the Dockerfiles name.
SUITE = "trixie"
# As in the public slim images: what no process reads.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*")
EMPTIED = ("var/cache", "var/lib/apt/lists", "var/log", *(path.strip("/*") for path in EXCLUDED))
ASK = ("apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")


@dataclass(frozen=True)
class Distribution:
    """What to make, and from where: a suite, and the address of its mirror."""

    suite: str
    mirror: str

    @property
    def sources(self) -> str:
        """Its line for apt."""
        return f"deb {self.mirror} {self.suite} main\n"


def distribution() -> Distribution:
    """What this machine's own apt reaches. Raises ImagesError if it is no Debian or Ubuntu."""
    if not shutil.which("apt-get"):
        raise ImagesError("base images are made here by debootstrap, which takes Debian or Ubuntu: use --base public")
    release = _os_release(Path("/etc/os-release").read_text())
    own = release.get("VERSION_CODENAME", "")
    asked = subprocess.run(ASK, capture_output=True, text=True, check=False)
    mirror = mirror_of(own, asked.stdout)
    if mirror is None:
        raise ImagesError(f"apt has no source with the main packages of {own or 'this system'}, which base images need")
    return Distribution(SUITE if release.get("ID") == "debian" else own, mirror)


def mirror_of(suite: str, targets: str) -> str | None:
    """The address that apt gets `suite` from; `targets` are lines of suite, component and address."""
    for line in targets.splitlines():
        release, component, address = line.split(maxsplit=2)
        if (release, component) == (suite, "main"):
            return address.rstrip("/")
    return None


def make_rootfs(folder: Path, wanted: Distribution, commands: Commands) -> None:
    """Puts `rootfs.tar` into `folder`. Raises CommandError, or ImagesError if this machine can't make one."""
    if os.geteuid() != 0:
        raise ImagesError("base images are made here by debootstrap, which must be root: use sudo, or --base public")
    debootstrap = ensure_program("debootstrap", commands)
    root = folder / "root"
    options = ("--variant=minbase", "--include=ca-certificates")
    commands.run(debootstrap, *options, wanted.suite, root, wanted.mirror, folder=folder)
    _slim(root)
    archive = ("tar", "--numeric-owner", "--sort=name", "--exclude=./dev/*", "-C", root, "-cf", "rootfs.tar", ".")
    commands.run(*archive, folder=folder)
    shutil.rmtree(root)


def _slim(root: Path) -> None:
    for name in EMPTIED:
        for path in (root / name).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    excluded = "".join(f"path-exclude {pattern}\n" for pattern in EXCLUDED)
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(excluded)
    # The mirror is this machine's affair; builds are told of it as of the other secrets.
    (root / "etc/apt/sources.list").unlink(missing_ok=True)


def _os_release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip('"') for name, _, value in pairs}
