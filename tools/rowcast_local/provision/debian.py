"""Programs that come as Debian packages: what is missing is installed, or named in one line."""

import os
import shutil
import subprocess
from collections.abc import Mapping

from rowcast_local.errors import LocalError
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


def _apt(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
