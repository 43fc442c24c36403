"""Programs that come as Debian packages: what is missing is installed, or unpacked, or named in one line."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from rowcast_local.errors import LocalError
from rowcast_local.provision.commands import CommandError, Commands
from rowcast_local.provision.progress import Progress

ADMINISTRATION = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class PackageError(LocalError):
    """A package can't be had; the text names it, and the command that would bring it."""


def search_path() -> str:
    """$PATH with the administrator's folders, which sudo and cron may leave out."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), ADMINISTRATION])


def provide(progress: Progress, packages: Mapping[str, str]) -> None:
    """Installs what is missing of `packages`: by program, the package that has it. Raises PackageError."""
    wanted = missing(packages)
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise PackageError(f"missing here: {', '.join(wanted)} (these are Debian's names); install them and try again")
    name = f"apt-get install {' '.join(wanted)}"
    progress.start(name)
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *wanted]
    if not (_apt(command) or (_apt(["apt-get", "update"]) and _apt(command))) or missing(packages):
        progress.fail(name)
        raise PackageError(f"missing here: {', '.join(missing(packages))}; `{name}` did not bring them: run it by hand")
    progress.finish(name)


def missing(packages: Mapping[str, str]) -> list[str]:
    """The packages that have something that this machine hasn't."""
    found = {package for program, package in packages.items() if shutil.which(program, path=search_path()) is None}
    return sorted(found)


def unpack(packages: Sequence[str], folder: Path, commands: Commands) -> None:
    """Unpacks `packages`, whose signatures apt has checked, below `folder`, without installing anything or being root.

    Of what they depend on nothing comes by itself. Raises CommandError.
    """
    lists = folder / "lists"
    try:
        commands.run("apt-get", "download", *packages, folder=folder)
    except CommandError:
        # A machine that has never asked, as an image for containers.
        (lists / "partial").mkdir(parents=True)
        own = ("-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={lists}")
        commands.run("apt-get", *own, "update", folder=folder)
        commands.run("apt-get", *own, "download", *packages, folder=folder)
    for archive in sorted(folder.glob("*.deb")):
        commands.run("dpkg-deb", "--extract", archive, folder, folder=folder)
        archive.unlink()
    shutil.rmtree(lists, ignore_errors=True)


def _apt(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
