"""A row's state at a target, as lists and details show it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping

from rowcast.core.targets import KINDS, TargetKind
from rowcast.crud.deliveries import gitops
from rowcast.crud.rows.schemas import SyncTimes, TargetStatus
from rowcast.crud.settings import CrudSettings

PENDING = "pending"


class Judge:
    """Says at one moment which states are overdue; its answers are the fields of TargetSync."""

    def __init__(self, settings: CrudSettings) -> None:
        self._late = datetime.now(UTC) - timedelta(seconds=settings.overdue_seconds)
        self._kinds: Mapping[str, TargetKind] = {one: one for one in KINDS} | settings.target_kinds

    def status(self, row: RowMapping) -> TargetStatus:
        """What a target has told, with when."""
        times = SyncTimes(
            saved=row["saved_at"],
            captured=row["captured_at"],
            delivered=row["delivered_at"],
            recorded=row["recorded_at"],
        )
        return self._status(row["target"], {**self.reported(row), "times": times})

    def no_status(self, target: str, since: datetime | None) -> TargetStatus:
        """Of a target that has told nothing about a row which it should have since then."""
        return self._status(target, self.unreported(since))

    def _status(self, target: str, said: Mapping[str, Any]) -> TargetStatus:
        # A target that is known no more, and wasn't called as its kind is, has none.
        return TargetStatus.model_validate({"kind": self._kinds.get(target), **said})

    def unreported(self, since: datetime | None) -> dict[str, Any]:
        """Of a target that has told nothing about a row which it should have since then."""
        return {"state": PENDING, "pending_since": since, "overdue": self._overdue(since)}

    def reported(self, status: RowMapping) -> dict[str, Any]:
        """Of a target that has told something."""
        since = status["pending_since"] if status["state"] == PENDING else None
        return {
            "state": status["state"],
            "observed_generation": status["observed_generation"],
            "outcome": status["outcome"],
            "reference": status["reference"],
            "error": status["error"],
            "updated_at": status["recorded_at"],
            "pending_since": since,
            "overdue": self._overdue(since),
            "stage": status["stage"] if status["state"] != PENDING or status["stage"] == gitops.PROPOSED else None,
            "stage_error": status["stage_error"] if status["state"] != PENDING else None,
            "link": status["link"],
        }

    def _overdue(self, since: datetime | None) -> bool:
        return since is not None and since < self._late
