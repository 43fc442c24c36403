"""One configuration's whole life, each step followed to every target; nothing of it stays behind."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from rowcast.check.access import Crud, RefusedError
from rowcast.check.following import Goal, State, Verdict, follow
from rowcast.core.errors import RowcastError
from rowcast.core.row import app_config
from rowcast.runtime.deadline import Deadline

PREFIX = "rowcast-check-"
ENVIRONMENT = "rowcast-check"
CLEANUP_SECONDS = 15.0


class NotArrivedError(RowcastError):
    """A target has failed at a step; the text has its reason."""


class Round:
    """The stations of one configuration of a unique name; `step` is where it is.

    `say` gets a line for each when it is through.
    """

    def __init__(self, crud: Crud, targets: Sequence[str], deadline: Deadline, say: Callable[[str], None]) -> None:
        self._crud = crud
        self._targets = tuple(targets)
        self._deadline = deadline
        self._say = say
        self.name = f"{PREFIX}{uuid.uuid4().hex[:12]}"
        self.step = "create"

    def run(self) -> None:
        """Create, update, rename, delete. Raises LateError, NotArrivedError, RefusedError, UnknownTargetError."""
        row = self._step("create", self._create, self._goal)
        row_id = row["id"]
        self._step("update", lambda: self._crud.change(row_id, {"branch": "checked"}), self._goal)
        self._step("rename", lambda: self._crud.change(row_id, {"name": f"{self.name}-renamed"}), self._goal)
        self._step("delete", lambda: self._crud.delete(row_id), lambda _: self._gone(row_id))

    def clean_up(self) -> None:
        """Delete whatever a round that broke off has left, without waiting for it. Raises what deleting raises."""
        Deadline(CLEANUP_SECONDS).until(self._delete_all)

    def _delete_all(self) -> None:
        for row in self._crud.find(self.name):
            self._crud.delete(row["id"])

    def _create(self) -> dict[str, Any]:
        repository = "https://git.example.com/rowcast-check.git"
        config = {"name": self.name, "repository_url": repository, "environment": ENVIRONMENT}
        try:
            return self._crud.create(config)
        except RefusedError:
            # Tried again after an answer that got lost: the name is nobody else's.
            found = self._crud.find(self.name)
            if not found:
                raise
            return found[0]

    def _goal(self, row: dict[str, Any]) -> Goal:
        return Goal(app_config(row["id"]), row["generation"], targets=self._targets)

    def _gone(self, row_id: int) -> Goal:
        return Goal(app_config(row_id), deleted=True, targets=self._targets)

    def _step(self, title: str, change: Callable[[], Any], goal: Callable[[Any], Goal]) -> Any:
        self.step = title
        started = time.perf_counter()
        changed = self._deadline.until(change)
        passed = [f"saved {_ms(started)}"]

        def arrived(verdict: Verdict) -> None:
            passed.append(f"{verdict.target} {_ms(started)}")

        verdicts = follow(self._crud.status, goal(changed), self._deadline, arrived)
        failed = [str(verdict) for verdict in verdicts if verdict.state is not State.SYNCED]
        if failed:
            raise NotArrivedError("; ".join(failed))
        self._say(f"{title}: {', '.join(passed)}")
        return changed


def _ms(started: float) -> str:
    return f"{(time.perf_counter() - started) * 1000:.0f} ms"
