"""crud over very many rows, by the pages that its statements read; and what sync keeps of each row, in bytes."""

from __future__ import annotations

import gc
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

import database_server
from bench import seeding
from bench.plans import reads
from bench.rows import path_of, row
from integration.crud.serving import make_settings, serving_app
from rowcast.core.plan import Tombstones
from rowcast.core.reconcile import Comparison, HeldInventory
from rowcast.core.render import RENDERERS
from rowcast.core.row import app_config
from rowcast.crud.app import create_app
from rowcast.crud.migrations.migrate import migrate
from rowcast.sync.targets.git.files.reading import read_held
from rowcast.sync.targets.git.files.tree_index import Index
from rowcast.sync.targets.git.files.yaml import to_yaml
from rowcast.sync.targets.kubernetes.objects import Live, View, live_of

ASKED = (
    "/appconfigs",
    "/appconfigs?sort=-updated_at",
    "/appconfigs?environment=env-3",
    "/appconfigs?search=service-77",
    "/appconfigs?search=nowhere",
    *(f"/appconfigs?state={state}" for state in ("synced", "pending", "failed", "overdue", "deleting")),
    "/activity",
    "/activity?person=person-7",
    "/activity/people",
    "/appconfigs:late?target=k8s",
    "/rows:late?target=k8s",
    "/pipeline",
    "/renderers",
    "/renderers/services/rows",
    "/renderers/services/rows?sort=changed_at&order=desc",
    "/renderers/services/rows?sort=plan",
    *(f"/renderers/services/rows?state={state}" for state in ("synced", "pending", "failed", "deleted")),
    "/renderers/services/promotions",
)
KEPT = 20_000
"""Rows that memory is measured with; it goes up with their number."""


def measure(rows: int, say: Callable[[str], None]) -> None:
    """Print both. The bare statement of the same run is what times are to be compared with."""
    say("sync, bytes a row")
    for what, size in kept(KEPT):
        say(f"  {what:<40} {size:>6,.0f}")
    with database_server.serving(database_server.binaries()) as server:
        url = f"{server}/postgres"
        migrate(make_settings(url))
        seeding.fill(url, rows, lambda what: say(f"filling: {what}"))
        say(f"crud, {rows:,} rows of each kind{'':<21} API, ms   database, ms   pages of 8 KiB")
        app = create_app(make_settings(url, database_statement_seconds=120))
        with serving_app(app) as client:
            for path in ASKED:
                client.get(path, timeout=120)
                with reads(app.state.engine) as sent:
                    started = time.perf_counter()
                    client.get(path, timeout=120).raise_for_status()
                    took = (time.perf_counter() - started) * 1000
                found = sent.explained(app.state.engine)
                spent, pages = sum(one.ms for one in found), sum(one.pages for one in found)
                say(f"  {path:<52} {took:>7,.0f} {spent:>14,.0f} {pages:>16,}")


def kept(rows: int) -> Iterator[tuple[str, float]]:
    """What an instance of sync keeps of each row, and how many bytes."""
    held: list[Any] = []
    for what, make in (
        ("an object of Kubernetes, as it is watched", _view),
        ("a reconcile's, of such a list again", lambda n: [held[0].same(live) for live in _lives(n)]),
        (
            "a reconcile's comparison",
            lambda n: Comparison(HeldInventory(live.held for live in held[1] if live.held), 0),
        ),
        ("a row that is gone (100,000 at most)", _tombstones),
    ):
        gc.collect()
        tracemalloc.start()
        held.append(make(rows))
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        yield what, size / rows
    with TemporaryDirectory() as folder:
        file = Path(folder) / "index.db"
        _fill(Index(file), rows)
        yield "a file of Git, on disk", file.stat().st_size / rows


def _lives(rows: int) -> Iterator[Live]:
    resource = RENDERERS["appconfigs"].types[0]
    for number in range(1, rows + 1):
        body = orjson.loads(orjson.dumps(row(number, 1).manifests[0].body))
        body["metadata"] |= {"uid": str(uuid.UUID(int=number)), "resourceVersion": str(number), "namespace": "rowcast"}
        yield live_of(resource, body, "rowcast")


def _view(rows: int) -> View:
    view = View()
    for live in _lives(rows):
        view.observe(live)
    return view


def _fill(index: Index, rows: int) -> None:
    for number in range(1, rows + 1):
        desired = row(number, 1)
        path = path_of(desired)
        held = read_held(path, to_yaml(desired.manifests[0].body))
        if held is None:
            raise AssertionError(f"{path} is not read as ours")
        index.put(path, held)
    index.close()


def _tombstones(rows: int) -> Tombstones:
    tombstones = Tombstones()
    for number in range(rows):
        tombstones.bury(app_config(number), 3)
    return tombstones
