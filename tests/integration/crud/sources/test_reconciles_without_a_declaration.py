"""Rows of a table whose declaration is not applied yet, and the reconcile of all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from rowcast.core.row import app_config
from rowcast.runtime.settings import Settings
from rowcast.sync.environments.starting import Starting
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.settings import SyncSettings
from rowcast.sync.status.report import Topics
from rowcast.sync.table.rows import CrudTable
from rowcast.sync.targets.memory import MemoryTarget

from .conftest import Place
from .test_apply import DECLARATION, shops  # noqa: F401
from .test_commands import rowcast

pytestmark = pytest.mark.anyio


class Nobody:
    async def publish(self, topic: str, data: Any, metadata: Any = None) -> None:
        pass


@pytest.mark.parametrize("script", [False, True], ids=["control", "an administrator has run the script"])
async def test_rows_whose_declaration_is_not_applied_yet_keep_no_other_row_from_being_reconciled(
    crud: httpx.Client,
    shops: Place,  # noqa: F811
    tmp_path: Path,
    script: bool,
) -> None:
    """The pipeline's page knows this state: "There is no declaration: what `rowcast renderer sql` printed was run,
    and `rowcast renderer apply` was not."
    """
    body = {"name": f"lost-{script}".lower(), "repository_url": "https://git.example/a.git", "environment": "dev"}
    row_id = crud.post("/appconfigs", json=body).json()["id"]  # noqa: ASYNC212 - crud is in another thread
    if script:
        file = tmp_path / "shops.yaml"
        file.write_text(DECLARATION)
        shops.run(rowcast(shops, "sql", "-f", file).stdout)
    target = MemoryTarget(name="k8s")
    starting = Starting(SyncSettings(target="k8s"), target)
    await starting.start()
    table = CrudTable(Settings(dapr_http_port=crud.base_url.port or 0))
    metrics = ReconcileMetrics("k8s", CollectorRegistry())
    reconciler = Reconciler(starting, table, Nobody(), Topics("status", "dead"), metrics)
    run = reconciler.begin("test", dry_run=False)
    await reconciler.execute(run)
    await table.aclose()
    held = {held.row for held in await target.inventory()}
    crud.delete(f"/appconfigs/{row_id}")  # noqa: ASYNC212 - as above
    assert app_config(row_id) in held, run.error
