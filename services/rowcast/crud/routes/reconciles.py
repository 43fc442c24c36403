"""Reconciles of the targets, which their own instances make."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from rowcast.core.errors import TransientError
from rowcast.crud.database.connections import changing
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Asked, Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.targets.schemas import ReconcileIn, ReconcilesOut, TargetReconciles
from rowcast.runtime.problems import ProblemError

router = APIRouter(prefix="/reconciles", tags=["reconciles"])
Target = Annotated[str, Path(description="A target, as in ROWCAST_TARGETS.", examples=["git"])]


@router.get("", operation_id="listReconciles")
async def reconciles(asking: Asking, instances: Asked) -> ReconcilesOut:
    """What is running at each target, and what ran last. Always 200; who can't be asked says so in `unavailable`."""
    answers = await instances.ask_all("GET", "/reconcile")
    seen = (answer for answer in answers if asking.decide("reconciles", "view", answer["target"]).allowed)
    return ReconcilesOut(targets=[TargetReconciles.model_validate(answer) for answer in seen])


@router.post("/{target}", status_code=202, operation_id="startReconcile", responses=responses(404, 409))
async def start(
    target: Target, asking: Asking, database: Database, instances: Asked, wanted: ReconcileIn | None = None
) -> dict[str, Any]:
    """Starts one and answers at once; 409 while one runs. A dry run only compares."""
    if target not in instances.targets:
        raise ProblemError(404, f"there is no target {target!r}; there are {', '.join(instances.targets)}")
    await run_in_threadpool(_note, database, asking.actor)
    body = {**(wanted or ReconcileIn()).model_dump(), "wait_seconds": 0}
    try:
        status, answer = await instances.call(target, "POST", "/reconcile", body, expected=(409,))
    except TransientError as error:
        raise ProblemError(503, f"sync-{target} doesn't answer: {error}", headers={"retry-after": "1"}) from error
    if status == 409:
        raise ProblemError(409, answer["detail"], [{"field": "target", "rule": "busy", "message": answer["detail"]}])
    run: dict[str, Any] = answer
    return run


def _note(database: Engine, actor: str) -> None:
    """Before it is asked for: nothing is started that nobody is known to have started."""
    with changing(database, actor):
        pass
