"""What the table, the cluster and the repository hold, each read by its own client and none by Rowcast's code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import psycopg2
import psycopg2.extensions
import yaml

Row = tuple[int, int, str, str, str]
"""Id, generation, repository URL, branch, environment."""
State = dict[str, Row]
"""By name."""

_GRANTED: set[tuple[str, str]] = set()
"""Whose rights a cluster has, by the uid of a namespace of its own and the declaration's text."""
SETTLE_SECONDS = 120
"""How long anything may take before a test gives up; no test waits for it to pass."""


@dataclass(frozen=True)
class World:
    """One running platform, seen from outside."""

    env: Mapping[str, str]

    def api(self, person: str = "alice") -> httpx.Client:
        """The way of the dashboard: its sidecar, which invokes crud's."""
        headers = {"dapr-app-id": "crud", "x-rowcast-user": person}
        return httpx.Client(base_url=self.env["ROWCAST_DAPR_URL"], headers=headers, timeout=60, trust_env=False)

    def create(self, name: str, person: str = "alice", **fields: str) -> dict[str, Any]:
        """Create a row through the API."""
        with self.api(person) as api:
            return done(api.post("/appconfigs", json=config(name, **fields)))

    def connect(self, path: str = "") -> httpx.Client:
        """Kafka Connect's REST interface, logged in to."""
        login = (self.env["ROWCAST_CONNECT_USERNAME"], self.env["ROWCAST_CONNECT_PASSWORD"])
        url = f"{self.env['ROWCAST_CONNECT_URL']}{path}"
        return httpx.Client(base_url=url, auth=login, timeout=30, trust_env=False)

    @contextmanager
    def sql(self, *, autocommit: bool = False) -> Iterator[psycopg2.extensions.cursor]:
        """One transaction as the database's owner; with autocommit, one for each statement."""
        connection = psycopg2.connect(self.env["ROWCAST_DATABASE_URL"])
        try:
            connection.autocommit = autocommit
            # A connection as a context is one transaction, with autocommit, too (psycopg2 2.9).
            with nullcontext() if autocommit else connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def table(self) -> State:
        """The desired state."""
        with self.sql() as cursor:
            cursor.execute("SELECT name, id, generation, repository_url, branch, environment FROM app_configs")
            return {name: tuple(rest) for name, *rest in cursor.fetchall()}

    def cluster(self) -> State:
        """The custom resources, as kubectl lists them."""
        # As the API server says it: of thousands, kubectl's own way of printing takes longer than all the rest.
        path = f"/apis/rowcast.dev/v1alpha1/namespaces/{self.env['ROWCAST_NAMESPACE']}/appconfigs"
        items = json.loads(self.kubectl("get", "--raw", path))["items"]
        return {item["metadata"]["name"]: state_of(item) for item in items}

    def apply(self, manifests: str) -> None:
        """Apply YAML as the cluster's administrator."""
        self.kubectl("apply", "-f", "-", stdin=manifests)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in Rowcast's namespace as the cluster's administrator."""
        command = ["kubectl", "--namespace", self.env["ROWCAST_NAMESPACE"], *arguments]
        environment = {**os.environ, **self.env}
        ran = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=True
        )
        return ran.stdout

    def rowcast(self, *arguments: str, code: int = 0) -> str:
        """Run a command of ours as the README says, and give what it prints.

        Raises CalledProcessError if it ends with another exit code.
        """
        command = [str(Path(sys.executable).with_name("rowcast")), *arguments]
        environment = {**os.environ, **self.env}
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
        if ran.returncode != code:
            error = subprocess.CalledProcessError(ran.returncode, command, ran.stdout, ran.stderr)
            error.add_note(ran.stdout + ran.stderr)
            raise error
        return ran.stdout

    def declare(self, declaration: Path | str) -> None:
        """Apply a renderer's declaration, a file or its text, with the rights that it asks for: those stay."""
        text = declaration if isinstance(declaration, str) else declaration.read_text()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "declaration.yaml"
            file.write_text(text)
            cluster = self.kubectl("get", "namespace", "default", "--output=jsonpath={.metadata.uid}")
            if (granted := (cluster, text)) not in _GRANTED:
                self.apply(self.rowcast("renderer", "rights", str(file), "--user", "rowcast-sync"))
                _GRANTED.add(granted)
            self.rowcast("renderer", "apply", str(file))

    def repository(self) -> State:
        """The files at the branch's tip, each where its row says."""
        found: State = {}
        for path, state in _mirror(self.env["ROWCAST_GIT_URL"]).appconfigs().items():
            assert path == f"environments/{state[4]}/appconfigs/{PurePosixPath(path).stem}.yaml"
            found[PurePosixPath(path).stem] = state
        return found

    @contextmanager
    def clone(self) -> Iterator[Path]:
        """A fresh clone of the repository, for as long as the context lasts."""
        with tempfile.TemporaryDirectory() as folder:
            url = self.env["ROWCAST_GIT_URL"]
            subprocess.run(["git", "clone", "--quiet", url, folder], check=True, timeout=60, capture_output=True)
            yield Path(folder)

    def settled(self) -> None:
        """Wait until table, cluster and repository hold the same, and show the difference if they never do."""
        wait_until(lambda: self.table() == self.cluster() == self.repository(), lambda: self.difference())

    @contextmanager
    def cleared(self, prefix: str) -> Iterator[None]:
        """Settled before and after; the rows whose names begin with `prefix` go in the end."""
        self.settled()
        yield
        with self.sql() as cursor:
            cursor.execute("DELETE FROM app_configs WHERE name LIKE %s", (f"{prefix}%",))
        self.settled()

    def difference(self) -> str:
        """What the three do not agree on."""
        table, cluster, repository = self.table(), self.cluster(), self.repository()
        names = sorted({*table, *cluster, *repository})
        rows = [
            f"{name}: table {table.get(name)}, cluster {cluster.get(name)}, repository {repository.get(name)}"
            for name in names
            if not table.get(name) == cluster.get(name) == repository.get(name)
        ]
        return f"{len(rows)} rows differ:\n" + "\n".join(rows[:20])


class Mirror:
    """A copy of a repository's branches that gets what is new at each look, and reads a content that it has read once.

    A fresh clone takes seconds where there are thousands of files and commits, and every look at a platform has one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._folder = tempfile.TemporaryDirectory(prefix="rowcast-mirror-")
        self._states: dict[str, tuple[str, Row]] = {}
        self._git("init", "--quiet", "--bare")

    def appconfigs(self) -> dict[str, Row]:
        """By path, the rows at the tip of `main`; none where it has no commit yet."""
        self._git("fetch", "--quiet", "--prune", "--no-auto-gc", self._url, "+refs/heads/*:refs/heads/*")
        if not self._git("branch", "--list", "main"):
            return {}
        listed = self._git("ls-tree", "-r", "-z", "main", "environments").split("\0")
        entries = {path: entry.split()[2] for entry, _, path in (line.partition("\t") for line in listed if line)}
        ours = {path: blob for path, blob in entries.items() if PurePosixPath(path).match("appconfigs/*.yaml")}
        self._read({*ours.values()} - self._states.keys())
        for path, blob in ours.items():
            assert PurePosixPath(path).stem == self._states[blob][0]
        return {path: self._states[blob][1] for path, blob in ours.items()}

    def _read(self, blobs: Iterable[str]) -> None:
        asked = "".join(f"{blob}\n" for blob in blobs)
        content = io.BytesIO(self._git("cat-file", "--batch", stdin=asked).encode())
        while header := content.readline():
            blob, _, size = header.decode().split()
            manifest = yaml.load(content.read(int(size)), yaml.CSafeLoader)
            content.readline()
            self._states[blob] = (manifest["metadata"]["name"], state_of(manifest))

    def _git(self, *arguments: str, stdin: str = "") -> str:
        command = ["git", f"--git-dir={self._folder.name}", *arguments]
        environment = {**os.environ, "no_proxy": "*", "GIT_TERMINAL_PROMPT": "0"}
        ran = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=True
        )
        return ran.stdout


_mirror = cache(Mirror)


def config(name: str, **fields: str) -> dict[str, str]:
    """A configuration's body."""
    return {
        "name": name,
        "repository_url": f"https://git.example.com/shop/{name}.git",
        "branch": "main",
        "environment": "dev",
        **fields,
    }


def state_of(manifest: Mapping[str, Any]) -> Row:
    """A manifest's row."""
    spec, metadata = manifest["spec"], manifest["metadata"]
    assert metadata["labels"]["rowcast.dev/row-id"] == str(spec["id"])
    generation = int(metadata["annotations"]["rowcast.dev/generation"])
    return spec["id"], generation, spec["repository_url"], spec["branch"], spec["environment"]


def done(response: httpx.Response) -> dict[str, Any]:
    """The answer's JSON; an error shows the problem."""
    assert response.is_success, f"{response.status_code}: {response.text}"
    answer: dict[str, Any] = response.json() if response.content else {}
    return answer


def wait_until(
    condition: Callable[[], bool], explain: Callable[[], str] = str, seconds: float = SETTLE_SECONDS
) -> None:
    """Return as soon as the condition holds; trouble while asking counts as not yet."""
    began = time.monotonic()
    deadline = began + seconds
    trouble: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if condition():
                return
            trouble = None
        except (OSError, httpx.HTTPError, subprocess.SubprocessError, psycopg2.Error) as error:
            trouble = error
        pause(began)
    raise AssertionError(f"not within {seconds:g} s: {trouble or explain()}")


def pause(began: float) -> None:
    """Let some time pass between two looks at a condition, which decides; `began` is of the monotonic clock.

    A look takes as much of the machine as what is waited for, so the longer that lasts the less often is looked.
    """
    time.sleep(min(max(0.1, (time.monotonic() - began) / 10), 1.0))
