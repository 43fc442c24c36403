"""Clocks at the two ends of the way: when a generation of a row became visible at a target."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse

import httpx
import orjson
import yaml

Seen = dict[tuple[int, int], float]
"""By (row id, generation): seconds since the epoch."""

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
            import base64

            tls.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        else:
            tls.check_hostname = False
            tls.verify_mode = ssl.CERT_NONE
        return cls(cluster["server"], document["users"][0]["user"]["token"], tls)

    def client(self) -> httpx.Client:
        """A client with the kubeconfig's trust and token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, verify=self.tls, headers=headers, timeout=None, trust_env=False)


@dataclass
class Watcher:
    """What has been seen so far; filled by a thread of its own."""

    seen: Seen = field(default_factory=dict)

    def count(self, wanted: set[tuple[int, int]]) -> int:
        """How many of the wanted generations have been seen."""
        return len(wanted & self.seen.keys())


@contextmanager
def cluster_watch(cluster: Cluster, namespace: str) -> Iterator[Watcher]:
    """Watch custom resources for as long as the context lasts."""
    watcher = Watcher()
    path = RESOURCE.format(namespace=namespace)
    with cluster.client() as client:
        version = client.get(path, params={"limit": 1}).json()["metadata"]["resourceVersion"]
        ready = threading.Event()
        stop = threading.Event()

        def follow() -> None:
            query = {"watch": "true", "resourceVersion": version}
            try:
                with client.stream("GET", path, params=query, headers={"accept": METADATA}) as response:
                    ready.set()
                    for line in response.iter_lines():
                        now = time.time()
                        metadata = orjson.loads(line)["object"]["metadata"]
                        row = int(metadata["labels"]["rowcast.dev/row-id"])
                        generation = int(metadata["annotations"]["rowcast.dev/generation"])
                        watcher.seen.setdefault((row, generation), now)
            except (httpx.HTTPError, KeyError, RuntimeError):
                if not stop.is_set():
                    raise

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        ready.wait(10)
        yield watcher
        stop.set()


@contextmanager
def git_watch(url: str, branch: str = "main") -> Iterator[Watcher]:
    """Watch a local bare repository's branch: a commit counts from its reference's change time on."""
    repository = Path(urlparse(url).path)
    watcher = Watcher()
    stop = threading.Event()
    thread = threading.Thread(target=_follow_branch, args=(repository, branch, watcher, stop), daemon=True)
    thread.start()
    yield watcher
    stop.set()
    thread.join()


def _follow_branch(repository: Path, branch: str, watcher: Watcher, stop: threading.Event) -> None:
    reference = repository / "refs" / "heads" / branch
    tip = _git(repository, "rev-parse", branch).strip()
    while not stop.is_set():
        time.sleep(0.002)
        try:
            changed = os.stat(reference).st_mtime
            now = reference.read_text().strip()
        except FileNotFoundError:  # packed just now
            continue
        if now == tip:
            continue
        trailers = _git(
            repository, "log", "--reverse", f"{tip}..{now}", "--format=%(trailers:key=Rowcast-Row,valueonly)"
        )
        for line in trailers.split("\n"):
            row, at, generation = line.strip().partition("@")
            if at:
                watcher.seen.setdefault((int(row), int(generation.split()[0])), changed)
        tip = now


def _git(repository: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    return subprocess.run(
        ["git", "-C", str(repository), "-c", "safe.directory=*", *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=env,
    ).stdout
