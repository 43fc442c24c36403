"""A database, a broker, a sidecar and a capture of one's own, each a process that a test may kill and start again."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import psycopg2.extensions
import redis

import captured_rows
from rowcast.crud.migrations.migrate import migrate
from rowcast.crud.settings import CrudSettings
from rowcast_local.accounts import service_account
from rowcast_local.credentials import Credentials
from rowcast_local.parts.dapr import Sidecar
from rowcast_local.parts.postgres import REPLICATION, Postgres
from rowcast_local.paths import cache_folder
from rowcast_local.ports import HOST, free_ports
from rowcast_local.probes import listens
from rowcast_local.program import Program
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import Toolbox, provide
from world import done, wait_until

CHANGES = "rowcast.public.app_configs"
DEAD_LETTERS = "rowcast.dead-letters"
COMPONENT = """
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: pubsub
spec:
  type: pubsub.redis
  version: v1
  metadata:
    - name: redisHost
      value: {host}:{port}
    - name: concurrency
      value: "10"
    - name: publishingScopes
      value: "capture=rowcast.public.app_configs,rowcast.dead-letters"
scopes: [capture]
"""
CONFIGURATION = """
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: rowcast
spec:
  tracing:
    samplingRate: "0"
"""


@cache
def toolbox() -> Toolbox:
    """Every program, out of the cache."""
    return provide(cache_folder(), Progress(), broker="redis")


@dataclass
class Process:
    """A program that can be killed and started again; what it says is in `log`."""

    program: Program
    log: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.program.command,
                env={**os.environ, **self.program.environment},
                cwd=self.program.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self.program.user,
                group=pwd.getpwnam(self.program.user).pw_gid if self.program.user else None,
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self._process.wait(60)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


@dataclass
class Place:
    """All four. `settings` is more of capture's environment."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    component: str = COMPONENT
    largest: str | None = None
    """What the sidecar takes at the most, as its own option has it."""

    def __post_init__(self) -> None:
        self.folder.chmod(0o711)  # the database's account must get to its data below
        ports = free_ports()
        self.credentials = Credentials()
        self.server = Postgres(
            toolbox().postgres, self.folder / "postgres" / "data", next(ports), self.credentials, service_account()
        )
        self.redis_port, self.http_port, self.second_port = next(ports), next(ports), next(ports)
        self.sidecar_ports = {name: next(ports) for name in ("http", "grpc", "internal", "metrics")}
        self.sidecar = Sidecar("capture", toolbox().daprd, self.folder / "dapr", self.sidecar_ports, None)
        self.postgres = self._process(self.server.program())
        self.broker = self._process(self._redis())
        self.daprd = self._process(self._daprd())
        self.capture = self._process(self.capture_program("capture", self.http_port))
        self.facts = f"http://{HOST}:{self.http_port}/facts"

    def _process(self, program: Program) -> Process:
        return Process(program, self.folder / f"{program.name}.log")

    def _redis(self) -> Program:
        folder = self.folder / "redis"
        settings = ("--port", self.redis_port, "--bind", HOST, "--appendonly", "yes", "--appendfsync", "always")
        command = (toolbox().extras["redis"], *settings, "--save", "", "--dir", folder)
        return Program("redis", tuple(map(str, command)), {}, folder)

    def _daprd(self) -> Program:
        program = self.sidecar.program()
        where = {"--resources-path": self.folder / "resources", "--config": self.folder / "configuration.yaml"}
        if self.largest:
            where["--max-body-size"] = Path(self.largest)
        kept = [each for each in program.command if each.partition("=")[0] not in where]
        command = (*kept, *(f"{name}={path}" for name, path in where.items()))
        return Program("daprd", command, program.environment, self.folder)

    def capture_program(self, name: str, port: int) -> Program:
        command = (sys.executable, "-c", "from rowcast.cli import app; app()", "capture", "serve")
        return Program(
            name, command, {**self.environment, "ROWCAST_HTTP_PORT": str(port), **self.settings}, self.folder
        )

    def reading_the_slot(self) -> Process:
        """Somebody else who reads it, by psycopg2's replication protocol."""
        code = (
            "import sys, psycopg2, psycopg2.extras as extras\n"
            "connection = psycopg2.connect(sys.argv[1], connection_factory=extras.LogicalReplicationConnection)\n"
            "cursor = connection.cursor()\n"
            "options = {'proto_version': '1', 'publication_names': 'rowcast'}\n"
            "cursor.start_replication('rowcast', options=options, decode=False)\n"
            "cursor.consume_stream(lambda message: None)\n"
        )
        login = f"host={HOST} port={self.server.port} dbname=rowcast user={REPLICATION}"
        command = (sys.executable, "-c", code, f"{login} password={self.credentials.replication}")
        return self._process(Program("reader", command, {}, self.folder))

    @property
    def environment(self) -> dict[str, str]:
        """Capture's."""
        java = toolbox().java
        return {
            "ROWCAST_CAPTURE_DB_HOST": HOST,
            "ROWCAST_CAPTURE_DB_PORT": str(self.server.port),
            "ROWCAST_CAPTURE_DB_USER": REPLICATION,
            "ROWCAST_CAPTURE_DB_PASSWORD": self.credentials.replication,
            "ROWCAST_CAPTURE_JARS": str(toolbox().class_path.folder),
            "ROWCAST_CAPTURE_FOLDER": str(self.folder),
            "ROWCAST_JAVA_HOME": str(java.resolve().parents[1]),
            "ROWCAST_BROKER": "redis",
            "ROWCAST_BROKER_URL": f"redis://{HOST}:{self.redis_port}",
            "ROWCAST_LOG_FORMAT": "console",
            "DAPR_HTTP_PORT": str(self.sidecar_ports["http"]),
        }

    def prepare(self) -> None:
        """The database, migrated, and everything but capture running."""
        self.server.prepare()
        (self.folder / "redis").mkdir()
        (self.folder / "resources").mkdir()
        component = self.component.format(host=HOST, port=self.redis_port)
        (self.folder / "resources" / "pubsub.yaml").write_text(component)
        (self.folder / "configuration.yaml").write_text(CONFIGURATION)
        for process in (self.postgres, self.broker):
            process.start()
        wait_until(self.server.ready, self.postgres.text)
        wait_until(lambda: listens(self.redis_port), self.broker.text)
        self.migrate()
        self.start_daprd()

    def migrate(self) -> None:
        migrate(
            CrudSettings.model_validate(
                {"database_url": self.server.url, "replication_password": self.credentials.replication}
            )
        )

    def start_daprd(self) -> None:
        self.daprd.start()
        wait_until(lambda: httpx.get(f"{self.sidecar.url}/v1.0/healthz").is_success, self.daprd.text)

    def start(self) -> None:
        """Capture, until it runs."""
        self.capture.start()
        self.wait_running()

    def wait_running(self) -> None:
        self.wait_told(lambda told: told["state"] == "RUNNING")

    def wait_told(self, holds: Callable[[dict[str, Any]], object], by: Process | None = None) -> None:
        """Until one answer of a capture has all that is asked of it; two answers may be of two moments."""
        wait_until(lambda: bool(holds(self.told())), (by or self.capture).text)

    def told(self) -> dict[str, Any]:
        """Capture's facts."""
        return done(httpx.get(self.facts, timeout=10))

    def ready(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"http://{HOST}:{self.http_port}/readyz", timeout=10).json()
        return answer

    def end(self) -> None:
        for process in (self.capture, self.daprd, self.broker):
            if process.running:
                process.kill()
        if self.postgres.running:
            self.postgres.end(signal.SIGINT)
        shutil.rmtree(self.folder)

    @contextmanager
    def sql(self) -> Iterator[psycopg2.extensions.cursor]:
        """As the owner; each statement commits."""
        connection = psycopg2.connect(self.server.url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def insert(self, prefix: str, count: int) -> None:
        """So many rows in one transaction."""
        with self.sql() as cursor:
            cursor.execute(
                "INSERT INTO app_configs (name, repository_url, environment)"
                " SELECT %s || n, 'https://git.example.com/' || n, 'dev' FROM generate_series(1, %s) AS n",
                (prefix, count),
            )

    def table(self) -> dict[int, int]:
        """Generations by row."""
        with self.sql() as cursor:
            cursor.execute("SELECT id, generation FROM app_configs")
            return dict(cursor.fetchall())

    def captured(self) -> int:
        """How many rows a snapshot has: those that are gone, too, as tombstones."""
        with self.sql() as cursor:
            cursor.execute("SELECT count(*) FROM rowcast.rows")
            ((count,),) = cursor.fetchall()
            return int(count)

    @property
    def redis(self) -> Any:
        return redis.Redis(HOST, self.redis_port)

    def arrived(self, topic: str = CHANGES) -> list[dict[str, Any]]:
        """The events that the broker holds, in its order."""
        return [json.loads(fields[b"data"]) for _, fields in self.redis.xrange(topic)]

    def newest(self) -> dict[int, int]:
        """Generations by row, as the last event of each has them; deleted ones are not there."""
        return newest(self.arrived())


def newest(arrived: list[dict[str, Any]]) -> dict[int, int]:
    rows: dict[int, int] = {}
    for change in captured_rows.configurations(arrived):
        if change.deleted:
            rows.pop(int(change.row.key), None)
        else:
            rows[int(change.row.key)] = change.state.generation
    return rows


def in_order(arrived: list[dict[str, Any]]) -> Mapping[int, list[int]]:
    """By row the generations of its events as they arrived."""
    rows: dict[int, list[int]] = {}
    for change in captured_rows.configurations(arrived):
        rows.setdefault(int(change.row.key), []).append(change.state.generation)
    return rows
