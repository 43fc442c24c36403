"""Change events as Debezium writes them, for tests."""

from __future__ import annotations

import json
from typing import Any


def row(row_id: int = 1, generation: int = 1, name: str = "checkout", **fields: Any) -> dict[str, Any]:
    """One row of `app_configs`, as in an event's `before` and `after`."""
    return {
        "id": row_id,
        "name": name,
        "repository_url": "https://git.example.com/shop/checkout.git",
        "branch": "main",
        "environment": "dev",
        "generation": generation,
        "created_at": "2026-11-22T15:42:27.284000Z",
        "updated_at": "2026-11-22T15:42:27.284000Z",
        "updated_by": "alice",
        **fields,
    }


def event(op: str = "u", lsn: int | None = None, **fields: Any) -> dict[str, Any]:
    """A CloudEvent with a row; without an LSN, one that rises with the generation."""
    after = row(**fields)
    lsn = after["generation"] * 1000 + after["id"] if lsn is None else lsn
    return {
        "id": f"name:rowcast;lsn:{lsn};txId:7",
        "source": "/debezium/postgresql/rowcast",
        "specversion": "1.0",
        "type": "io.debezium.connector.postgresql.DataChangeEvent",
        "time": "2026-11-22T15:42:27.284Z",
        "datacontenttype": "application/json",
        "iodebeziumop": op,
        "iodebeziumlsn": str(lsn),
        "iodebeziumtable": "app_configs",
        "data": {"before": after, "after": None} if op == "d" else {"before": None, "after": after},
    }


def captured(old: dict[str, Any]) -> dict[str, Any]:
    """The event of `rowcast.rows` that there is of the same change as an event of `app_configs`."""
    deleted = old["iodebeziumop"] == "d"
    its = old["data"]["before" if deleted else "after"]
    name = its["name"] if its.get("committed_name") is None else its["committed_name"]
    own = {each: its[each] for each in ("id", "repository_url", "branch", "environment", "created_at")}
    after = {
        "renderer": "appconfigs",
        "key": str(its["id"]),
        "generation": its["generation"],
        "revision": 0,
        "deleted": deleted,
        "row": json.dumps({**own, "name": name}),
        "actor": its["updated_by"],
        "actor_verified": its.get("updated_by_verified", False),
        "approved_by": its.get("approved_by"),
        "traceparent": its.get("traceparent"),
        "changed_at": its["updated_at"],
    }
    op = "u" if deleted else old["iodebeziumop"]
    return {**old, "iodebeziumtable": "rows", "iodebeziumop": op, "data": {"before": None, "after": after}}
