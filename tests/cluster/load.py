"""People at work: configurations made, changed, renamed and deleted through the dashboard's sidecar, in a thread."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from cluster.release import READY_SECONDS, Release
from world import config

PER_SECOND = 10
UNCLEAR = (404, 409, 500, 502, 503, 504)
"""404 and 409 too: a sidecar whose call had no answer calls again, and finds the row gone, or the name taken."""


@dataclass
class Load:
    """`rows` is what crud has said yes to: by id the fields, or None once deleted. Nothing of it may be lost.

    A request without an answer may or may not have been heard: its row is nobody's business any more.
    """

    release: Release
    prefix: str
    rows: dict[int, dict[str, str] | None] = field(default_factory=dict)
    answered: int = 0
    unanswered: int = 0

    def __post_init__(self) -> None:
        self._chance = random.Random(self.prefix)
        self._over = threading.Event()
        self._progress = threading.Condition()
        self._trouble: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name=f"load {self.prefix}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if kind is None and self._trouble:
            raise self._trouble[0]

    def more(self, count: int) -> None:
        """Returns when `count` more changes have been made."""
        with self._progress:
            wanted = self.answered + count
            came = self._progress.wait_for(lambda: self._trouble or self.answered >= wanted, READY_SECONDS)
        assert not self._trouble, self._trouble
        assert came, f"{self.answered} of {wanted} changes were made, {self.unanswered} requests had no answer"

    def lost(self) -> dict[int, str]:
        """What crud has said yes to and the table doesn't have."""
        table = {
            row[0]: {"name": name, "branch": row[3], "environment": row[4]}
            for name, row in self.release.table().items()
        }
        wrong = {
            row_id: (wanted, table.get(row_id)) for row_id, wanted in self.rows.items() if table.get(row_id) != wanted
        }
        return {row_id: f"{wanted} was acknowledged, {there} is there" for row_id, (wanted, there) in wrong.items()}

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                with self.release.api() as api:
                    self._work(api)
        except BaseException as error:
            with self._progress:
                self._trouble.append(error)
                self._progress.notify_all()

    def _work(self, api: httpx.Client) -> None:
        """Until the end, or until a request has no answer: the way to the sidecar may have gone."""
        while not self._over.wait(1 / PER_SECOND):
            try:
                self._change(api)
            except httpx.HTTPError:
                self.unanswered += 1
                self.release.sidecar.close()
                return

    def _change(self, api: httpx.Client) -> None:
        alive = [row_id for row_id, fields in self.rows.items() if fields]
        kind = (
            self._chance.choice(["create", "branch", "branch", "rename", "move", "delete"])
            if len(alive) > 10
            else "create"
        )
        fresh = f"{self.prefix}-{self._chance.randrange(10**9)}"
        if kind == "create":
            self._note(None, api.post("/appconfigs", json=config(fresh)))
            return
        row_id = self._chance.choice(alive)
        # Nobody knows what has become of it, until there is an answer.
        before = self.rows.pop(row_id)
        assert before
        if kind == "delete":
            self._note((row_id, None), api.delete(f"/appconfigs/{row_id}"))
            return
        change = {
            "branch": {"branch": fresh},
            "rename": {"name": fresh},
            "move": {"environment": self._chance.choice(["qa", "prod"])},
        }
        self._note((row_id, before), api.patch(f"/appconfigs/{row_id}", json=change[kind]))

    def _note(self, deleted: tuple[int, dict[str, str] | None] | None, answer: httpx.Response) -> None:
        if answer.status_code in UNCLEAR:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
        if deleted and deleted[1] is None:
            self.rows[deleted[0]] = None
        else:
            row: dict[str, Any] = answer.json()
            self.rows[int(row["id"])] = {name: row[name] for name in ("name", "branch", "environment")}
        with self._progress:
            self.answered += 1
            self._progress.notify_all()
