"""Clocks at the two ends of the way: when a generation of a row became visible at a target."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import aiohttp
import orjson
import yaml

Seen = dict[tuple[int, int], float]
"""By (row id, generation): seconds since the epoch."""

Read = Callable[[Mapping[str, Any]], tuple[int, int] | None]
"""Row and generation as an object's metadata tell them; None for what doesn't count."""

RESOURCE = "/apis/rowcast.dev/v1alpha1/namespaces/{namespace}/appconfigs"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclass(frozen=True)
class Cluster:
    """The API server as a kubeconfig names it."""

    url: str
    token: str
    tls: ssl.SSLContext

    @classmethod
    def of(cls, kubeconfig: str) -> Cluster:
        """Read server, CA and token; that is all our local kubeconfig has."""
        document = yaml.safe_load(Path(kubeconfig).read_text())
        cluster = document["clusters"][0]["cluster"]
        tls = ssl.create_default_context()
        if "certificate-authority" in cluster:
            tls.load_verify_locations(cluster["certificate-authority"])
        elif "certificate-authority-data" in cluster:
            tls.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        else:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        return cls(cluster["server"], document["users"][0]["user"]["token"], tls)

    @asynccontextmanager
    async def session(self, in_flight: int = 2) -> AsyncIterator[aiohttp.ClientSession]:
        """A session with the kubeconfig's trust and token."""
        connector = aiohttp.TCPConnector(limit=in_flight, ssl=self.tls)
        headers = {"authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            yield session


@dataclass
class Watcher:
    """What has been seen so far; filled by a thread of its own, until it is `broken`."""

    seen: Seen = field(default_factory=dict)
    broken: Exception | None = None

    def count(self, wanted: set[tuple[int, int]]) -> int:
        """How many of the wanted generations have been seen. Raises RuntimeError where nobody watches any more."""
        if self.broken is not None:
            raise RuntimeError(f"the watch ended: {self.broken!r}") from self.broken
        return len(wanted & self.seen.keys())


def of_configuration(metadata: Mapping[str, Any]) -> tuple[int, int] | None:
    """Row and generation as a custom resource tells them."""
    return int(metadata["labels"]["rowcast.dev/row-id"]), int(metadata["annotations"]["rowcast.dev/generation"])


@contextmanager
def cluster_watch(cluster: Cluster, path: str, read: Read = of_configuration) -> Iterator[Watcher]:
    """Watch what is listed at a path for as long as the context lasts."""
    watcher = Watcher()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    task = loop.create_task(_follow_cluster(cluster, path, read, watcher, ready))
    thread = threading.Thread(target=_run, args=(loop, task, watcher))
    thread.start()
    ready.wait(30)
    try:
        yield watcher
    finally:
        with suppress(RuntimeError):  # the loop is closed where the watch has broken
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], watcher: Watcher) -> None:
    try:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
    except Exception as error:
        watcher.broken = error
    finally:
        loop.close()


async def _follow_cluster(cluster: Cluster, path: str, read: Read, watcher: Watcher, ready: threading.Event) -> None:
    async with cluster.session() as session:
        async with session.get(f"{cluster.url}{path}", params={"limit": "1"}) as response:
            version = (await response.json())["metadata"]["resourceVersion"]
        while True:  # the API server ends a watch now and then, as when the resource's type has changed
            query = {"watch": "true", "resourceVersion": version}
            async with session.get(f"{cluster.url}{path}", params=query, headers={"accept": METADATA}) as response:
                response.raise_for_status()
                ready.set()
                async for line in response.content:
                    now = time.time()
                    metadata = orjson.loads(line)["object"]["metadata"]
                    version = metadata["resourceVersion"]
                    if seen := read(metadata):
                        watcher.seen.setdefault(seen, now)


@contextmanager
def git_watch(url: str, branch: str = "main") -> Iterator[Watcher]:
    """Watch a local bare repository's branch: a commit counts from its reference's change time on."""
    repository = Path(urlparse(url).path)
    watcher = Watcher()
    stop = threading.Event()

    def follow() -> None:
        try:
            _follow_branch(repository, branch, watcher, stop)
        except Exception as error:
            watcher.broken = error

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join()


def _follow_branch(repository: Path, branch: str, watcher: Watcher, stop: threading.Event) -> None:
    reference = repository / "refs" / "heads" / branch
    tip = git_output(repository, "rev-parse", branch).strip()
    while not stop.is_set():
        time.sleep(0.002)
        try:
            changed = os.stat(reference).st_mtime
            now = reference.read_text().strip()
        except FileNotFoundError:  # packed just now
            continue
        if now == tip:
            continue
        trailers = git_output(
            repository, "log", "--reverse", f"{tip}..{now}", "--format=%(trailers:key=Rowcast-Row,valueonly)"
        )
        for line in trailers.split("\n"):
            row, at, generation = line.strip().partition("@")
            if at:
                watcher.seen.setdefault((int(row), int(generation.split()[0])), changed)
        tip = now


def git_output(repository: Path, *arguments: str) -> str:
    """What git prints in a repository, whoever owns that."""
    return subprocess.run(
        ["git", "-C", str(repository), "-c", "safe.directory=*", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
