"""The bare limits: the same writes with nothing of Rowcast in between."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import orjson
import uvloop

from bench.watching import RESOURCE, Cluster

IN_FLIGHT = 32


Object = tuple[str, Mapping[str, object]]
"""Its path at the API server, and what is applied."""


def custom_resource(namespace: str, row: int, generation: int) -> list[Object]:
    """A custom resource like a rendered one."""
    return [(f"{RESOURCE.format(namespace=namespace)}/bare-{row}", manifest(row, generation, f"bare-{row}"))]


def applies(
    cluster: Cluster,
    namespace: str,
    count: int,
    generation: int,
    objects_of: Callable[[str, int, int], Sequence[Object]] = custom_resource,
) -> float:
    """Rows per second whose objects are sent straight to the API server by aiohttp, 32 rows in flight.

    `objects_of` gives a row's objects in their order, by namespace, row and generation.
    """
    return uvloop.run(_applies(cluster, namespace, count, generation, objects_of))


async def _applies(
    cluster: Cluster,
    namespace: str,
    count: int,
    generation: int,
    objects_of: Callable[[str, int, int], Sequence[Object]],
) -> float:
    headers = {"content-type": "application/apply-patch+yaml"}
    async with cluster.session(IN_FLIGHT) as session:
        rows = iter(range(1, count + 1))

        async def worker() -> None:
            for row in rows:
                for path, body in objects_of(namespace, row, generation):
                    url = f"{cluster.url}{path}?fieldManager=bench&force=true"
                    async with session.patch(url, data=orjson.dumps(body), headers=headers) as response:
                        response.raise_for_status()
                        await response.read()

        started = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return count / (time.perf_counter() - started)


async def create_namespace(cluster: Cluster, name: str) -> None:
    """Create a namespace for the bare applies."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    async with cluster.session() as session, session.post(f"{cluster.url}/api/v1/namespaces", json=body) as response:
        response.raise_for_status()


def manifest(row: int, generation: int, name: str) -> dict[str, object]:
    """A custom resource like a rendered one."""
    return {
        "apiVersion": "rowcast.dev/v1alpha1",
        "kind": "AppConfig",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/managed-by": "bench",
                "rowcast.dev/table": "app_configs",
                "rowcast.dev/row-id": str(row),
            },
            "annotations": {
                "rowcast.dev/generation": str(generation),
                "rowcast.dev/lsn": str(generation * 1000 + row),
                "rowcast.dev/updated-by": "bench",
            },
        },
        "spec": {
            "id": row,
            "name": name,
            "repository_url": "https://git.example.com/shop/bench.git",
            "branch": f"b-{generation}",
            "environment": f"env-{row % 5}",
        },
    }


def fast_import(trees: Iterable[list[tuple[str, bytes]]]) -> float:
    """Files per second that `git fast-import` writes, one commit for each list of (path, content)."""
    stream: list[bytes] = []
    files = 0
    for number, tree in enumerate(trees):
        stream.append(b"commit refs/heads/main\ncommitter b <b@b> %d +0000\ndata 1\nx\n" % number)
        for path, content in tree:
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
            files += 1
    data = b"".join(stream)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder)
        subprocess.run(["git", "init", "--bare", "--quiet", folder], check=True)
        started = time.perf_counter()
        subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, input=data, check=True)
        return files / (time.perf_counter() - started)
