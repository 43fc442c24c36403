"""Deletions of rows of any table that are told more than once, or at an earlier generation."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from contract.targets.test_rows_of_any_table import config, row
from integration.crud.test_renderers import of, save, status, tenants  # noqa: F401
from integration.crud.test_sync_status import report
from rowcast.runtime.settings import Settings
from rowcast.sync.reconcile.metrics import ReconcileMetrics
from rowcast.sync.reconcile.reconciler import Reconciler
from rowcast.sync.status.report import Topics
from rowcast.sync.table.rows import CrudTable
from rowcast.sync.targets.memory import MemoryTarget

pytestmark = pytest.mark.anyio


def late(crud: httpx.Client) -> list[tuple[str, int, bool]]:
    answer = crud.get("/rows:late", params={"target": "k8s", "seconds": 0})
    rows = answer.json()["rows"]
    return [(one["key"], one["generation"], one["deleted"]) for one in rows if one["key"] == "gone"]


def test_a_second_deletion_that_was_not_told_is_late(crud: httpx.Client, sql: sa.Connection) -> None:
    """Deleted (2), told. Made again (3), deleted again (4): both events, or their statuses, are lost by the broker."""
    save(sql, "gone", 2, deleted=True)
    report(crud, status("gone", 2, "deleted", deleted=True))
    assert of(crud, "gone")["targets"]["k8s"]["state"] == "synced"
    save(sql, "gone", 3)
    save(sql, "gone", 4, deleted=True)

    assert of(crud, "gone")["targets"]["k8s"]["state"] == "pending"
    assert late(crud) == [("gone", 4, True)]


async def test_what_a_reconcile_prunes_of_a_row_that_was_deleted_leaves_the_row_deleted(
    crud: httpx.Client, sql: sa.Connection
) -> None:
    """An object of the row's generation 2 is back at the target: restored from a backup, a commit reverted."""
    sql.execute(sa.text("DELETE FROM rowcast.rows WHERE key <> 'gone'"))
    report(crud, status("gone", 3, "deleted", deleted=True))
    assert of(crud, "gone")["targets"]["k8s"]["state"] == "synced"
    target = MemoryTarget(name="k8s")
    await target.deliver([row("gone", 2, config("a"))])
    told: list[dict[str, Any]] = []

    class Told:
        async def publish(self, topic: str, data: Any, metadata: Any = None) -> None:
            told.extend(data["statuses"])
            assert report(crud, *data["statuses"], target=data["target"]).json() == {"status": "SUCCESS"}

    table = CrudTable(Settings(dapr_http_port=crud.base_url.port or 0))
    metrics = ReconcileMetrics("k8s", CollectorRegistry())
    reconciler = Reconciler(target, table, Told(), Topics("status", "dead"), metrics)
    run = reconciler.begin("test", dry_run=False)
    await reconciler.execute(run)
    await table.aclose()
    assert (run.state, run.outcomes) == ("done", {"deleted": 1}), run.error

    assert [*await target.inventory()] == []
    assert [(one["generation"], one["deleted"]) for one in told] == [(2, True)]
    found = of(crud, "gone")["targets"]["k8s"]
    assert (found["state"], found["observed_generation"], late(crud)) == ("synced", 3, [])
