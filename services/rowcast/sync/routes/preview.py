"""`POST /preview` says what a row would become at this target, `GET /live` what is there of it. Neither changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict

from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.events import read
from rowcast.core.ports import Target
from rowcast.core.render import Desired
from rowcast.core.row import RowKey, row_named
from rowcast.core.shapes import shape_of
from rowcast.runtime.problems import ProblemError
from rowcast.sync.rendering import Rendering, Revision

ANSWER_SECONDS = 6.0
"""Less than whoever asks will wait."""
QUESTIONS = 8
"""Open at once: a target that hangs must not gather them, and what it delivers waits behind them."""
T = TypeVar("T")


class DeclarationIn(BaseModel):
    """A declaration that need not be applied, and the columns that it was checked against."""

    model_config = ConfigDict(extra="forbid")

    text: str
    shape: dict[str, Any]


class PreviewIn(BaseModel):
    """A row as it would be, with all of its columns; by the revision that it is of, or by a declaration."""

    model_config = ConfigDict(extra="forbid")

    row: dict[str, Any]
    declaration: DeclarationIn | None = None


def add_routes(app: FastAPI, target: Target, rendering: Rendering) -> None:
    """Add both routes."""
    patience = Patience(ANSWER_SECONDS)

    @app.post("/preview")
    async def preview(wanted: PreviewIn) -> dict[str, Any]:
        nothing = dict.fromkeys(("manifest", "live", "diff", "change", "place", "error"))
        desired, ids = await _desired(wanted, rendering)
        try:
            found = await patience.wait(target.preview(desired))
        except RowcastError as error:
            return {"target": target.name, **nothing, "unavailable": str(error)}
        refusal = found.error
        return {
            "target": target.name,
            "manifest": found.manifest,
            "live": found.live.text if found.live else None,
            "diff": found.diff,
            "change": found.change,
            "place": found.place,
            "error": {"reason": refusal.reason, "message": str(refusal)} if refusal else None,
            "refused": [{"manifest": ids[index], "message": str(error)} for index, error in found.refused if ids],
            "unasked": [ids[index] for index in found.unasked if ids],
            "unavailable": None,
        }

    @app.get("/live")
    async def live(row: Annotated[str, Query(description="renderer/key")]) -> dict[str, Any]:
        answer: dict[str, Any] = {"target": target.name, "place": None, "live": None, "reference": None}
        try:
            found = await patience.wait(target.live(_named(row)))
        except RowcastError as error:
            return {**answer, "unavailable": str(error)}
        if found is not None:
            answer |= {"place": found.place, "live": found.text, "reference": found.reference}
        return {**answer, "unavailable": None}


class Patience:
    """Waits so long and no longer. A question that takes longer goes on unheard: a target is not cut off midway."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked: set[asyncio.Task[Any]] = set()

    async def wait(self, question: Coroutine[Any, Any, T]) -> T:
        """Its answer. Raises what it raises, and TransientError when it takes too long, or too many wait already."""
        if len(self._asked) >= QUESTIONS:
            question.close()
            raise TransientError("the target is slow, and too many questions wait for it; ask again in a moment")
        task = asyncio.create_task(question)
        self._asked.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=self._seconds)
        if not done:
            raise TransientError(f"no answer within {self._seconds:g} s")
        return task.result()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be there any more to look at it


async def _desired(wanted: PreviewIn, rendering: Rendering) -> tuple[Desired, Sequence[str]]:
    """With the ids of its manifests, where it is by a declaration."""
    try:
        change = read(wanted.row, lsn=0)
        if wanted.declaration is None:
            return await rendering.one(change), ()
        return rendering.tried(change, Revision(wanted.declaration.text, shape_of(wanted.declaration.shape)))
    except (KeyError, TypeError, AttributeError) as error:
        shape = {"field": "declaration.shape", "rule": "invalid", "message": "is no shape of columns"}
        raise ProblemError(422, shape["message"], [shape]) from error
    except PermanentError as error:
        raise ProblemError(422, str(error), [{"field": "row", "rule": error.reason, "message": str(error)}]) from error


def _named(text: str) -> RowKey:
    try:
        return row_named(text)
    except ValueError as error:
        raise ProblemError(422, str(error), [{"field": "row", "rule": "invalid", "message": str(error)}]) from error
