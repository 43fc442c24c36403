"""The way of a change, as one page of facts."""

from fastapi import APIRouter

from rowcast.crud.pipeline.report import report
from rowcast.crud.pipeline.stations import PipelineOut
from rowcast.crud.routes.dependencies import Pipeline, Settings

router = APIRouter(tags=["pipeline"])


@router.get("/pipeline", operation_id="getPipeline")
async def pipeline(gathering: Pipeline, settings: Settings) -> PipelineOut:
    """How each part of the way is, what is wrong with it in words, and what to do.

    Always 200, within about two seconds: a part that doesn't answer is a fact, not an error.
    """
    return report(await gathering.gather(), settings)
