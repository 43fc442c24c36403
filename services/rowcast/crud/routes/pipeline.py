"""The way of a change, as one page of facts."""

from datetime import datetime

from fastapi import APIRouter, Request

from rowcast.crud.access.callers import Access
from rowcast.crud.pipeline.judging.access import access
from rowcast.crud.pipeline.judging.verdict import station
from rowcast.crud.pipeline.report import report
from rowcast.crud.pipeline.stations import PipelineOut, Station
from rowcast.crud.routes.dependencies import Pipeline, Settings

router = APIRouter(tags=["pipeline"])


@router.get("/pipeline", operation_id="getPipeline")
async def pipeline(request: Request, gathering: Pipeline, settings: Settings) -> PipelineOut:
    """How each part of the way is, what is wrong with it in words, and what to do.

    Always 200, within about two seconds: a part that doesn't answer is a fact, not an error.
    """
    found = await gathering.gather()
    return report(found, settings, _access(request.app.state.access, found.at))


def _access(has: Access, now: datetime) -> Station:
    state = has.policy.state if has.policy else None
    issuers = {name: keys.fault for name, keys in has.tokens.issuers.items()}
    rules = state.rules if state else None
    issuers_fault = has.issuers_file.fault if has.issuers_file else None
    verdict = access(rules, state.fault if state else None, has.on_loopback, issuers, issuers_fault)
    facts = {"enforced": has.policy is not None, "rules": rules, "issuers": list(issuers)}
    return station("access", "Who may do what", verdict, facts, now)
