"""Shows that the way is whole: one configuration, saved through the dashboard's sidecar, followed to both targets."""

import time
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import yaml

from rowcast_local.assembly import GITOPS_NAMESPACE, NAMESPACE, Blueprint
from rowcast_local.errors import LocalError
from rowcast_local.journey import Journey
from rowcast_local.probes import client

NAME = "hello-rowcast"
ENVIRONMENT = "demo"
FIRST = {
    "name": NAME,
    "repository_url": "https://git.example.com/hello.git",
    "branch": "main",
    "environment": ENVIRONMENT,
}
GENERATION = "rowcast.dev/generation"
ARRIVE_SECONDS = 60.0
POLL_SECONDS = 0.004
PARTS = {"applied": "sync-k8s", "committed": "sync-git", "synced": "sync-git"}
STAGES = frozenset((None, "proposed", "committed", "synced", "healthy"))


class DemonstrationError(LocalError):
    """The configuration could not be saved, or did not arrive; the text says where it is stuck."""


def follow(blueprint: Blueprint) -> Journey:
    """Saves one change and waits until both targets have it. Raises DemonstrationError."""
    sidecar = blueprint.sidecar("ui")
    headers = {"dapr-app-id": "crud", "x-rowcast-user": "demonstration"}
    with httpx.Client(base_url=sidecar.url, headers=headers, timeout=10, trust_env=False) as crud:
        started = time.time()
        row, created = _save(crud)
        saved = time.time()
        seen = _watch(blueprint, row, crud)
        captured = _captured(crud, row)
    return Journey(
        NAME,
        row["generation"],
        created,
        saved=(saved - started) * 1000,
        captured=None if captured is None else (captured - started) * 1000,
        applied=(seen["applied"] - started) * 1000,
        committed=(seen["committed"] - started) * 1000,
        synced=(seen["synced"] - started) * 1000 if "synced" in seen else None,
        engine=blueprint.engine.title if blueprint.engine else "",
        carrier=blueprint.carrier,
        told=frozenset(stage for stage, part in PARTS.items() if part in blueprint.settings),
    )


def _save(crud: httpx.Client) -> tuple[dict[str, Any], bool]:
    try:
        found = _checked(crud.get("/appconfigs", params={"search": NAME, "limit": 1000})).json()["items"]
        mine = next((row for row in found if row["name"] == NAME), None)
        if mine is None:
            return _checked(crud.post("/appconfigs", json=FIRST)).json(), True
        change = {"branch": f"release-{mine['generation'] + 1}"}
        return _checked(crud.patch(f"/appconfigs/{mine['id']}", json=change)).json(), False
    except httpx.HTTPError as error:
        raise DemonstrationError(f"the dashboard's sidecar does not reach crud: {error}") from error


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_error:
        raise DemonstrationError(f"crud answered {response.status_code}: {response.text[:300]}")
    return response


def _watch(blueprint: Blueprint, row: dict[str, Any], crud: httpx.Client) -> dict[str, float]:
    """When each target was first seen with the row's generation, in Unix seconds.

    Where a target was given settings of its own, it may deliver elsewhere, or propose: then its status is asked.
    """
    generation = row["generation"]
    server = blueprint.kube_apiserver
    deadline = time.time() + ARRIVE_SECONDS
    seen: dict[str, float] = {}
    with client(str(server.certificate)) as cluster:
        checks: dict[str, Callable[[], int]] = {
            "applied": lambda: _applied(cluster, blueprint, NAMESPACE),
            "committed": lambda: _committed(blueprint),
        }
        if blueprint.gitops:
            checks["synced"] = lambda: _applied(cluster, blueprint, GITOPS_NAMESPACE)
        for stage in checks:
            if (part := PARTS[stage]) in blueprint.settings:
                enough = STAGES - {"committed"} if stage == "synced" else STAGES
                checks[stage] = partial(_told, crud, row["id"], part.removeprefix("sync-"), enough)
        while missing := checks.keys() - seen.keys():
            for name in sorted(missing):
                if checks[name]() >= generation:
                    seen[name] = time.time()
            if time.time() > deadline:
                raise DemonstrationError(
                    f"{NAME} was saved, but not {' and not '.join(sorted(missing))}: ./task status"
                )
            time.sleep(POLL_SECONDS)
    return seen


def _applied(cluster: httpx.Client, blueprint: Blueprint, namespace: str) -> int:
    server = blueprint.kube_apiserver
    url = f"{server.url}/apis/rowcast.dev/v1alpha1/namespaces/{namespace}/appconfigs/{NAME}"
    try:
        response = cluster.get(url, headers=server.admin_headers)
    except httpx.HTTPError:
        return 0
    return _generation(response.json()) if response.is_success else 0


def _committed(blueprint: Blueprint) -> int:
    repository = blueprint.git_repository
    paths = repository.find(f"/{ENVIRONMENT}/appconfigs/{NAME}.yaml")
    return _generation(yaml.safe_load(repository.show(paths[0]))) if paths else 0


def _told(crud: httpx.Client, row_id: int, target: str, stages: Collection[str | None]) -> int:
    found = _checked(crud.get(f"/appconfigs/{row_id}/status")).json()["targets"][target]
    return int(found["observed_generation"] or 0) if found["stage"] in stages else 0


def _generation(manifest: dict[str, Any]) -> int:
    return int(manifest["metadata"]["annotations"][GENERATION])


def _captured(crud: httpx.Client, row: dict[str, Any]) -> float | None:
    """When sync had the change, as crud tells, in Unix seconds; the status follows the delivery by a moment."""
    deadline = time.time() + 5.0
    while time.time() < deadline:
        targets = _checked(crud.get(f"/appconfigs/{row['id']}/status")).json()["targets"]
        times = [_time(target, row["generation"]) for target in targets.values()]
        if len(times) > 1 and all(times):
            return min(moment for moment in times if moment)
        time.sleep(0.05)
    return None


def _time(target: dict[str, Any], generation: int) -> float | None:
    text = (target.get("times") or {}).get("captured")
    if text is None or (target.get("observed_generation") or 0) < generation:
        return None
    return datetime.fromisoformat(text).timestamp()
