"""The way of a change, as one page of facts."""

from fastapi import APIRouter, Request

from rowcast.crud.pipeline.gathering import Gathering
from rowcast.crud.pipeline.report import report
from rowcast.crud.pipeline.stations import PipelineOut
from rowcast.crud.routes.dependencies import Settings

router = APIRouter(tags=["pipeline"])


@router.get("/pipeline", operation_id="getPipeline")
async def pipeline(request: Request, settings: Settings) -> PipelineOut:
    """How each part of the way is, what is wrong with it in words, and what to do.

    Always 200, within about two seconds: a part that doesn't answer is a fact, not an error.
    """
    gathering: Gathering = request.app.state.gathering
    return report(await gathering.gather(), settings)
