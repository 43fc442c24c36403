"""What `rowcast renderer rollout` says of a roll-out while it goes on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rowcast.crud.renderers.rollout_cli import _progress
from rowcast.crud.renderers.rollout_schemas import RolloutOut

AT = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("assigned", "total", "words"),
    [
        (1, None, "running, step 1 of 1 (1 row) assigning: 1 row assigned, 0 ready, 0 failed"),
        (1, 1, "running, step 1 of 1 (1 row) assigning: 1 of 1 row assigned, 0 ready, 0 failed"),
        (2, 2000, "running, step 1 of 1 (1 row) assigning: 2 of 2,000 rows assigned, 0 ready, 0 failed"),
    ],
)
def test_rows_are_counted_in_words(assigned: int, total: int | None, words: str) -> None:
    step = {"rows": 1, "share": None, "filter": None, "state": "assigning", "total": total, "assigned": assigned}
    step |= {"delivered": 0, "ready": 0, "failed": 0, "since": None}
    found = RolloutOut.model_validate(
        {"id": 1, "renderer": "tenants", "revision": 2, "from_revisions": [1], "state": "running", "why": None}
        | {"started_by": "ada", "started_at": AT, "changed_at": AT, "hold_seconds": 0, "ready_seconds": None}
        | {"failure_limit": 1, "steps": [step], "impact_token": None, "changed_since": None, "approved_by": None}
    )

    assert _progress(found) == words
