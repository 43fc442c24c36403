"""What the targets say of a configuration: what it would become, and what there is of it."""

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from rowcast.core.row import APP_CONFIGS
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Asked, Database, Person, RowId
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.guards import must_see
from rowcast.crud.rows import usecases
from rowcast.crud.rows.preview import row_if_saved
from rowcast.crud.rows.schemas import AppConfigOut, PreviewIn
from rowcast.crud.targets.schemas import LiveOut, PreviewOut, TargetLive, TargetPreview

router = APIRouter(tags=["configurations"])


@router.post("/appconfigs:preview", operation_id="previewAppConfig", responses=responses(404, 409))
async def preview(
    wanted: PreviewIn, asking: Asking, database: Database, instances: Asked, person: Person
) -> PreviewOut:
    """What saving would make at each target, and whether it would take it. Nothing is changed anywhere.

    Within about eight seconds; a target that can't be asked says so in `unavailable`.
    """
    config = wanted.config.model_dump()
    if wanted.id is not None:
        await run_in_threadpool(must_see, asking, database, wanted.id)
    asking.require("rows", "view", APP_CONFIGS, config["environment"])
    made = await run_in_threadpool(row_if_saved, database, wanted.updated_by or person, wanted.id, config)
    row = AppConfigOut.model_validate(dict(made)).model_dump(mode="json")
    answers = await instances.ask_all("POST", "/preview", {"row": row})
    targets = [TargetPreview.model_validate(answer) for answer in answers]
    return PreviewOut(generation=row["generation"], targets=targets)


@router.get("/appconfigs/{id:segment}/live", operation_id="getLiveAppConfig", responses=responses(404))
async def live(id: RowId, asking: Asking, database: Database, instances: Asked) -> LiveOut:  # noqa: A002
    """What each target has of a configuration now, also of one that is deleted, asked of the targets themselves."""
    await run_in_threadpool(must_see, asking, database, id)
    await run_in_threadpool(usecases.row_status, database, id)
    answers = await instances.ask_all("GET", f"/live?row=appconfigs/{id}")
    return LiveOut(targets=[TargetLive.model_validate(answer) for answer in answers])
