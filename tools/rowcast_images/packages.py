"""Programs that come with the system's packages: got when root asks and they are missing."""

import os
import shutil
from pathlib import Path

from rowcast_images.errors import ImagesError
from rowcast_local.provision.commands import Commands

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
UNATTENDED = {"DEBIAN_FRONTEND": "noninteractive"}


def find_program(name: str) -> str | None:
    """Its path, also where only root's shells look."""
    return shutil.which(name) or shutil.which(name, path=SBIN)


def ensure_program(name: str, commands: Commands) -> str:
    """Its path, after an apt-get if it isn't there. Raises ImagesError if that isn't ours to do, or CommandError."""
    if found := find_program(name):
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ImagesError(f"{name} is missing: get it from your system's packages (apt install {name})")
    commands.run("apt-get", "update", "-qq", folder=Path("/"), environment=UNATTENDED)
    install = ("apt-get", "install", "-qq", "--no-install-recommends", name)
    commands.run(*install, folder=Path("/"), environment=UNATTENDED)
    found = find_program(name)
    if found is None:
        raise ImagesError(f"{name} is still missing after `apt-get install {name}`")
    return found
