"""The ways to get rows into a branch, each with a repository of its own, timed alike."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from bench.rows import Batch, path_of
from chaos.git_server import USER, GitServer
from rowcast.sync.targets.git import GitSettings, GitTarget
from rowcast.sync.targets.git.files.yaml import to_yaml
from rowcast_local.ports import free_ports

PASSWORD = "a password"


class Rowcast:
    """The real `GitTarget`: a commit and a push for each batch."""

    def __init__(self, url: str, cache: Path, environment: Mapping[str, str]) -> None:
        self._target = GitTarget(GitSettings(url=url, cache=cache, environment=environment, remote_timeout=300.0))

    async def start(self) -> None:
        """Read the branch."""
        await self._target.start()

    async def deliver(self, batches: Sequence[Batch]) -> float:
        """Seconds that all of them take, one after the other."""
        started = time.perf_counter()
        for batch in batches:
            await self._target.deliver(batch)
        return time.perf_counter() - started

    async def close(self) -> None:
        """Let go of the cache."""
        await self._target.close()


class FileByFile:
    """A clone in which a person's commands make a commit and a push for each row."""

    def __init__(self, url: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        _git("clone", "--quiet", url, str(folder), env=environment)

    def deliver(self, batch: Batch) -> float:
        """Seconds that the batch takes."""
        started = time.perf_counter()
        for desired in batch:
            path = self._folder / path_of(desired)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(to_yaml(desired.manifests[0].body))
            self._git("add", str(path))
            self._git("commit", "--quiet", "--message", f"Update {desired.name}")
            self._git("push", "--quiet", "origin", "HEAD:main")
        return time.perf_counter() - started

    def _git(self, *arguments: str) -> None:
        _git("-C", str(self._folder), *arguments, env=self._environment)


def fast_import(url: str, repository: Path, batches: Sequence[Batch], environment: Mapping[str, str]) -> float:
    """Seconds that `git fast-import` takes for the same commits in one stream, and one push of them all.

    `repository` is a bare clone of the remote. Nothing is judged, and the stream is made beforehand.
    """
    stream = b"".join(_commits(batches, _tip(repository)))
    started = time.perf_counter()
    _git("-C", str(repository), "fast-import", "--quiet", "--force", env=environment, stdin=stream)
    _git("-C", str(repository), "push", "--quiet", url, "refs/heads/main", env=environment)
    return time.perf_counter() - started


def fast_import_each(url: str, repository: Path, batches: Sequence[Batch], environment: Mapping[str, str]) -> float:
    """Seconds that it takes to import and push each of the same commits before the next: what Rowcast has to promise.

    `repository` is a bare clone of the remote. The streams are made beforehand.
    """
    streams = [b"".join(_commits([batch], "refs/heads/main^0")) for batch in batches]
    started = time.perf_counter()
    for stream in streams:
        _git("-C", str(repository), "fast-import", "--quiet", "--force", env=environment, stdin=stream)
        _git("-C", str(repository), "push", "--quiet", url, "refs/heads/main", env=environment)
    return time.perf_counter() - started


def seed(repository: Path, rows: Batch) -> None:
    """A bare repository that has a file for each row."""
    empty(repository)
    _git("-C", str(repository), "fast-import", "--quiet", stdin=b"".join(_commits([rows], None)))


def empty(repository: Path) -> None:
    """A bare repository without a commit."""
    _git("init", "--quiet", "--bare", "--initial-branch=main", str(repository))
    _git("-C", str(repository), "config", "http.receivepack", "true")


def copy(repository: Path, to: Path) -> None:
    """A repository of its own with the same objects."""
    _git("clone", "--quiet", "--bare", "--no-hardlinks", str(repository), str(to))
    _git("-C", str(to), "config", "http.receivepack", "true")


def environment(folder: Path) -> dict[str, str]:
    """What git's processes see: who commits, and how to log in at `served`."""
    configuration = folder / "gitconfig"
    login = f'"!f() {{ echo username={USER}; echo password={PASSWORD}; }}; f"'
    configuration.write_text(
        f"[user]\n\tname = b\n\temail = b@example.org\n[credential]\n\thelper = {login}\n[gc]\n\tauto = 0\n"
    )
    return {**os.environ, "GIT_CONFIG_GLOBAL": str(configuration), "GIT_CONFIG_NOSYSTEM": "1"}


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder's repositories over smart HTTP with a login, by a process of its own; yields the URL."""
    port = next(free_ports())
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(folder, port, there))
    process.start()
    try:
        here.recv()
        yield f"http://127.0.0.1:{port}"
    finally:
        here.send("done")
        process.join(20)


def _serve(folder: Path, port: int, caller: Connection) -> None:
    with GitServer(folder, port, PASSWORD).running():
        caller.send("up")
        caller.recv()


def _commits(batches: Sequence[Batch], tip: str | None) -> Iterator[bytes]:
    yield b"reset refs/heads/main\n" + (f"from {tip}\n\n".encode() if tip else b"")
    for number, batch in enumerate(batches):
        yield b"commit refs/heads/main\ncommitter b <b@example.org> %d +0000\ndata 1\nx\n" % (1_700_000_000 + number)
        for desired in batch:
            content = to_yaml(desired.manifests[0].body)
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (path_of(desired).encode(), len(content), content)


def _tip(repository: Path) -> str | None:
    out = subprocess.run(["git", "-C", str(repository), "rev-parse", "-q", "--verify", "main"], capture_output=True)
    return out.stdout.decode().strip() or None


def _git(*arguments: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> None:
    subprocess.run(["git", *arguments], check=True, env=env, input=stdin, capture_output=True)
