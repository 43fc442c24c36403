"""Change events as Debezium writes them, for tests."""

from __future__ import annotations

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
