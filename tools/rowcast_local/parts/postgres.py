"""PostgreSQL with logical replication, by its own binaries."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from rowcast_local.accounts import own
from rowcast_local.credentials import Credentials, write_private
from rowcast_local.errors import LocalError
from rowcast_local.ports import HOST
from rowcast_local.program import Program

OWNER = DATABASE = "rowcast"
SERVING, REPLICATION = "rowcast_crud", "rowcast_replication"
# A role that replicates could copy the whole server, and read whatever changes in any of its databases.
HBA = f"""\
host {DATABASE} {REPLICATION} {HOST}/32 scram-sha-256
host all,replication {REPLICATION} all reject
host all all {HOST}/32 scram-sha-256
"""
LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""The same on every machine; from PostgreSQL 17 on."""
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_slot_wal_keep_size": "1GB",
    "shared_buffers": "64MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class PostgresError(LocalError):
    """The database could not be made; the text is what PostgreSQL said."""


@dataclass(frozen=True)
class Postgres:
    """One server. `binaries` is the folder of `initdb`; `data` belongs to `user` (None: the caller)."""

    binaries: Path
    data: Path
    port: int
    credentials: Credentials
    user: str | None = None
    name: str = "postgres"
    locale: Sequence[str] = LOCALE

    @property
    def url(self) -> str:
        """The owner's access."""
        return f"postgresql://{OWNER}:{self.credentials.database_owner}@{HOST}:{self.port}/{DATABASE}"

    @property
    def serving_url(self) -> str:
        """The access of the role that crud serves as."""
        return f"postgresql://{SERVING}:{self.credentials.database_serving}@{HOST}:{self.port}/{DATABASE}"

    @property
    def hba(self) -> Path:
        """Who may log in from where."""
        return self.data.with_name("pg_hba.conf")

    def prepare(self) -> None:
        """Makes the cluster, the owner and the database, once. Raises PostgresError."""
        own(self.data.parent, self.user)
        write_private(self.hba, HBA)
        if self.user is not None:
            shutil.chown(self.hba, self.user)
        if (self.data / "PG_VERSION").exists():
            return
        with tempfile.TemporaryDirectory(dir=self.data.parent) as scratch:
            own(Path(scratch), self.user)
            made = Path(scratch) / "data"
            self._initialise(made)
            self._create_database(made)
            made.rename(self.data)

    def _initialise(self, data: Path) -> None:
        password = data.with_name("password")
        write_private(password, self.credentials.postgres_superuser)
        if self.user is not None:
            shutil.chown(password, self.user)
        access = ("--username=postgres", "--auth=scram-sha-256", f"--pwfile={password}")
        self._run("", "initdb", "--pgdata", str(data), "--encoding=UTF8", *self.locale, *access)

    def _create_database(self, data: Path) -> None:
        # The migration makes the role that replicates, which takes a creator with both attributes.
        sql = (
            f"CREATE ROLE {OWNER} LOGIN CREATEROLE REPLICATION PASSWORD '{self.credentials.database_owner}'\n"
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}\n"
        )
        self._run(sql, "postgres", "--single", "-D", str(data), "-c", "exit_on_error=on", "postgres")

    def drop_slot(self, name: str) -> None:
        """Drops a replication slot of the server, which must not run; it is no error if there is none.

        Raises PostgresError.
        """
        if not (self.data / "PG_VERSION").exists():
            return
        drop = f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'\n"
        options = [word for setting, value in SETTINGS.items() for word in ("-c", f"{setting}={value}")]
        self._run(drop, "postgres", "--single", "-D", str(self.data), *options, "-c", "exit_on_error=on", DATABASE)

    def _run(self, text: str, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=self.user,
            group=_group(self.user),
            extra_groups=None if self.user is None else [],
            env={**os.environ, "LC_ALL": "C"},
        )
        if done.returncode != 0:
            raise PostgresError(f"{program}: {(done.stderr or done.stdout).strip()}")

    def program(self) -> Program:
        """The server's process; SIGINT is its fast shutdown, which doesn't wait for clients to go."""
        settings = SETTINGS | {"port": str(self.port), "hba_file": str(self.hba)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            self.name,
            (str(self.binaries / "postgres"), "-D", str(self.data), *options),
            environment={"LC_ALL": "C"},
            directory=self.data,
            user=self.user,
            stop_signal="INT",
        )

    def ready(self) -> bool:
        """Whether the owner can ask the database something."""
        try:
            with closing(psycopg2.connect(self.url, connect_timeout=2)) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid
