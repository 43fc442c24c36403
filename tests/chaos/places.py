"""The three places, read by nobody's code but ours, and cheaply: they are asked several times a second."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import psycopg2.extensions
import yaml

from rowcast_local.platform import Platform
from world import State, state_of

RESOURCES = "/apis/rowcast.dev/v1alpha1/namespaces/rowcast/appconfigs"
Blobs = dict[str, Any]


class Table:
    """The desired state."""

    def __init__(self, url: str) -> None:
        self._url = url

    def read(self) -> State:
        """By name. Raises psycopg2.Error."""
        query = "SELECT name, id, generation, repository_url, branch, environment FROM app_configs"
        return {name: tuple(rest) for name, *rest in self.ask(query)}

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """One query in a connection of its own. Raises psycopg2.Error."""
        with self._cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def do(self, statement: str) -> None:
        """One statement in a connection of its own. Raises psycopg2.Error."""
        with self._cursor() as cursor:
            cursor.execute(statement)

    @contextmanager
    def _cursor(self) -> Iterator[psycopg2.extensions.cursor]:
        connection = psycopg2.connect(self._url, connect_timeout=5)
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class Cluster:
    """The custom resources, by the API server's own port, past every proxy."""

    def __init__(self, platform: Platform) -> None:
        server = platform.blueprint.kube_apiserver
        self.http = httpx.Client(
            base_url=server.url,
            headers=server.admin_headers,
            verify=ssl.create_default_context(cafile=str(server.certificate)),
            timeout=10,
            trust_env=False,
        )

    def read(self) -> State:
        """By name. Raises httpx.HTTPError."""
        return {item["metadata"]["name"]: state_of(item) for item in self.list()["items"]}

    def list(self, path: str = RESOURCES) -> dict[str, Any]:
        """All of them, or of another kind, as the API server answers. Raises httpx.HTTPError."""
        answer = self.http.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class Repository:
    """The branch in the bare repository itself, and of its files those of configurations, and strangers'."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        self.folder = folder
        self._branch = branch
        self._parsed: Blobs = {}

    def read(self) -> State:
        """By name, each file where its row says. Raises CalledProcessError."""
        files = dict(self.files())
        self.parse(files.values())
        found: State = {}
        for path, blob in files.items():
            manifest = self._parsed[blob]
            assert manifest is not None, f"{path} is no manifest"
            name, state = manifest["metadata"]["name"], state_of(manifest)
            assert path == f"environments/{state[4]}/appconfigs/{name}.yaml", path
            found[name] = state
        return found

    def tip(self) -> str:
        """The branch's commit. Raises CalledProcessError."""
        return self.git("rev-parse", f"refs/heads/{self._branch}").decode().strip()

    def parse(self, blobs: Iterable[str]) -> Blobs:
        """The content of blobs as YAML, None for what is none of ours. Raises CalledProcessError."""
        unknown = sorted(set(blobs) - self._parsed.keys())
        rest = self.git("cat-file", "--batch", stdin="\n".join(unknown).encode()) if unknown else b""
        for blob in unknown:
            head, _, rest = rest.partition(b"\n")
            size = int(head.split()[2])
            self._parsed[blob] = self.content(rest[:size])
            rest = rest[size + 1 :]
        return self._parsed

    def content(self, blob: bytes) -> Any:
        """What a file says, None for what is none of ours."""
        try:
            # Ours are ASCII-small and flat; what faults commit may be nested as deep as no parser goes.
            document = yaml.load(blob, yaml.CSafeLoader) if b"[[[[" not in blob and b": &" not in blob else None
        except (yaml.YAMLError, UnicodeDecodeError):
            return None
        return document if isinstance(document, dict) and "spec" in document else None

    def is_here(self, path: str) -> bool:
        """Whether a file is one of these: all but those of the other renderer."""
        return "/orders/" not in path

    def git(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """What a git command says. Raises CalledProcessError."""
        command = ["git", f"--git-dir={self.folder}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=60).stdout

    def files(self) -> Iterable[tuple[str, str]]:
        """The paths and their blobs. Raises CalledProcessError."""
        listed = self.git("ls-tree", "-r", "-z", f"refs/heads/{self._branch}", "--", "environments").decode()
        for line in filter(None, listed.split("\0")):
            attributes, _, path = line.partition("\t")
            if self.is_here(path):
                yield path, attributes.split()[2]
