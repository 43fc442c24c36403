"""Turns crud's errors into problems, so that a route only says what it does."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import Counter
from pydantic import BaseModel, Field
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from rowcast.core.errors import TransientError
from rowcast.crud.access.callers import Caller
from rowcast.crud.access.issuers import IssuerAwayError
from rowcast.crud.access.rates import TooManyRequestsError
from rowcast.crud.access.routes import ROUTES
from rowcast.crud.access.tokens import TokenError
from rowcast.crud.database import audit
from rowcast.crud.database.connections import changing
from rowcast.crud.errors import (
    ApprovalWantedError,
    BatchError,
    BrokerError,
    BusyError,
    ConflictError,
    DeniedError,
    FieldError,
    ForbiddenError,
    LetterResolvedError,
    LockedError,
    MissingError,
    NameTakenError,
    StaleGenerationError,
)
from rowcast.crud.proposals import records
from rowcast.crud.proposals.schemas import ProposalOut, proposal_out
from rowcast.crud.rows.preconditions import etag
from rowcast.runtime.logging import get_logger
from rowcast.runtime.problems import EVENTS_PREFIX, PROBLEM_JSON, ProblemResponse, problem, validation_errors

_BATCH_STATUS = {"not-found": 404, "generation": 412, "unique": 409, "resolved": 409, "duplicate": 422, "policy": 403}
_BATCH_STATUS |= dict.fromkeys(("exclusion", "referenced", "not-captured", "trigger"), 409)
_SAFE = ("GET", "HEAD")
_BATCH_PREFIXES = ("create.", "update.", "delete.")


class ProblemItem(BaseModel):
    """One thing that is wrong."""

    index: int | None = Field(default=None, description="the element of a batch")
    field: str
    rule: str
    message: str


class ProblemOut(BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ProblemItem] = []


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problems that an operation may answer; 422 and 503 are always among them."""
    described: dict[int | str, dict[str, Any]] = {
        status: {"model": ProblemOut, "description": _MEANING[status]} for status in (*statuses, 422, 503)
    }
    if 202 in described:
        described[202]["model"] = ProposalOut
    return described


def describe_problems(app: FastAPI) -> None:
    """Gives the errors in OpenAPI their media type, for which FastAPI takes the one of the successful answer.

    And says how a caller shows who it is, where that is asked.
    """
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        description = plain()
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                need = ROUTES.get((method.upper(), path))
                if need is None or need.scope != "open":
                    operation["responses"] |= _OF_ADMISSION
                for status, answer in operation["responses"].items():
                    if status >= "400" and "application/json" in answer.get("content", {}):
                        answer["content"] = {PROBLEM_JSON: answer["content"]["application/json"]}
        description["components"]["securitySchemes"] = {"token": _TOKEN}
        description["security"] = [{"token": []}, {}]
        return description

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


_OF_ADMISSION = {
    str(status): {
        "description": said,
        "content": {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}}},
    }
    for status, said in (
        (401, "Nothing says who asks, or the token is worth nothing; `detail` says why."),
        (413, "The request's body is too large."),
        (429, "One caller makes too many requests; try again after `Retry-After` seconds."),
    )
}
"""What any operation may answer before it begins."""
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of an issuer that crud knows (OpenID Connect).",
}
_MEANING = {
    202: "Nothing has changed: somebody else has to approve it. `Location` is the proposal's.",
    403: "The policy doesn't allow it, the renderer's rows are not to be edited, or crud's role may not write its"
    " table; `detail` has the line of the policy, or the GRANT.",
    404: "There is no such configuration, dead letter, target, renderer or row.",
    409: "The name is taken, a row conflicts with others or is locked, the dead letter is resolved already, or a"
    " reconcile is running.",
    412: "The configuration has changed since the caller read it.",
    422: "The request isn't valid; `errors` names field and rule.",
    503: "The database or the broker doesn't answer, or too many ask at the same time; try again.",
}


def add_answers(app: FastAPI) -> None:
    """Registers the handlers; after the runtime's own, whose answer to validation errors it refines."""
    log = get_logger("rowcast.crud")
    limited = Counter(
        "rowcast_requests_limited_total",
        "Requests that were refused because one caller made too many.",
        registry=app.state.registry,
    )

    @app.exception_handler(TooManyRequestsError)
    async def too_many(_request: Request, error: TooManyRequestsError) -> ProblemResponse:
        limited.inc()
        return problem(429, str(error), headers={"retry-after": str(math.ceil(error.seconds))})

    @app.exception_handler(MissingError)
    async def not_found(_request: Request, error: MissingError) -> ProblemResponse:
        return problem(404, str(error))

    @app.exception_handler(LetterResolvedError)
    async def resolved(_request: Request, error: LetterResolvedError) -> ProblemResponse:
        return problem(409, str(error), [_item("state", "resolved", str(error))])

    @app.exception_handler(ApprovalWantedError)
    async def wants_approval(request: Request, error: ApprovalWantedError) -> JSONResponse:
        proposal = await run_in_threadpool(_propose, app.state.engine, request.state.caller, error)
        location = f"{request.scope.get('root_path', '')}/proposals/{proposal.id}"
        return JSONResponse(proposal.model_dump(mode="json"), 202, {"location": location})

    @app.exception_handler(BrokerError)
    async def broker_away(_request: Request, error: BrokerError) -> ProblemResponse:
        log.warning("unavailable", reason=str(error))
        return problem(503, str(error), headers={"retry-after": "1"})

    @app.exception_handler(LockedError)
    async def locked(request: Request, error: LockedError) -> ProblemResponse:
        again = {"retry-after": "5"}
        if request.method in _SAFE or request.url.path.startswith(EVENTS_PREFIX):
            # Nothing that the caller wants conflicts with anything: it is only not to be had now.
            log.warning("unavailable", reason=str(error))
            return problem(503, str(error), headers=again)
        return problem(409, str(error), [_item("row", "locked", str(error))], again)

    @app.exception_handler(BusyError)
    async def busy(_request: Request, error: BusyError) -> ProblemResponse:
        log.warning("busy", reason=str(error))
        return problem(503, str(error), headers={"retry-after": "5"})

    @app.exception_handler(NameTakenError)
    async def name_taken(_request: Request, error: NameTakenError) -> ProblemResponse:
        return problem(409, str(error), [_item("name", "unique", str(error))])

    @app.exception_handler(StaleGenerationError)
    async def stale(_request: Request, error: StaleGenerationError) -> ProblemResponse:
        headers = {"etag": etag(error.generation)}
        return problem(412, str(error), [_item("generation", "generation", str(error))], headers)

    @app.exception_handler(FieldError)
    async def field_invalid(_request: Request, error: FieldError) -> ProblemResponse:
        return problem(422, "the request is not valid", [_item(error.field, error.rule, str(error))])

    @app.exception_handler(ConflictError)
    async def conflicting(_request: Request, error: ConflictError) -> ProblemResponse:
        return problem(409, str(error), [_item(error.field, error.rule, str(error))])

    @app.exception_handler(TokenError)
    async def unknown(request: Request, error: TokenError) -> ProblemResponse:
        # In the log alone: whoever has no token can't fill a table.
        log.info("nobody known", reason=str(error), method=request.method, path=request.url.path)
        said = str(error).replace('"', "'")
        challenge = f'Bearer error="invalid_token", error_description="{said}"'
        return problem(401, str(error), headers={"www-authenticate": challenge.encode("ascii", "replace").decode()})

    @app.exception_handler(IssuerAwayError)
    async def issuer_away(_request: Request, error: IssuerAwayError) -> ProblemResponse:
        log.warning("unavailable", reason=str(error))
        return problem(503, str(error), headers={"retry-after": "30"})

    @app.exception_handler(DeniedError)
    async def denied(request: Request, error: DeniedError) -> ProblemResponse:
        await run_in_threadpool(_keep_refusal, app.state.engine, getattr(request.state, "caller", None), str(error))
        return problem(403, str(error), [_item("policy", error.rule, str(error))])

    @app.exception_handler(ForbiddenError)
    async def forbidden(_request: Request, error: ForbiddenError) -> ProblemResponse:
        return problem(403, str(error), [_item("renderer", error.rule, str(error))])

    @app.exception_handler(BatchError)
    async def batch_refused(request: Request, error: BatchError) -> ProblemResponse:
        refusals = [each.message for each in error.errors if each.rule == "policy"]
        if refusals:
            await run_in_threadpool(_keep_refusal, app.state.engine, request.state.caller, "; ".join(refusals))
        errors = [{"index": e.index, **_item(e.field, e.rule, e.message)} for e in error.errors]
        return problem(_BATCH_STATUS.get(error.errors[0].rule, 422), str(error), errors)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> ProblemResponse:
        return problem(422, "the request is not valid", [_without_tag(item) for item in validation_errors(error)])

    @app.exception_handler(TransientError)
    async def unavailable(_request: Request, error: TransientError) -> ProblemResponse:
        log.warning("unavailable", reason=str(error))
        return problem(503, "the database doesn't answer; try again", headers={"retry-after": "1"})


def _propose(database: Engine, asking: Caller, error: ApprovalWantedError) -> ProposalOut:
    kept = audit.entry(asking.noted, audit.PROPOSED, str(error))
    with changing(database) as connection:
        proposal = proposal_out(records.keep(connection, asking, error, asking.noted.replaces))
        audit.keep(connection, kept)
    audit.log(kept)
    return proposal


def note_refusal(database: Engine, asking: Caller, errors: Sequence[Mapping[str, Any]]) -> None:
    """Keeps that the policy has refused some lines of a file, if it has."""
    refusals = [str(each["message"]) for each in errors if each["rule"] == "policy"]
    if refusals:
        _keep_refusal(database, asking, "; ".join(refusals))


def _keep_refusal(database: Engine, asking: Caller | None, why: str) -> None:
    """In the audit, if somebody vouches for who was refused; else in the log alone."""
    kept = audit.entry(asking.noted if asking else audit.Noted(), audit.REFUSED, why)
    audit.log(kept)
    if asking is None or not asking.verified:
        return
    try:
        with changing(database) as connection:
            audit.keep(connection, kept)
    except TransientError as error:
        get_logger("rowcast.crud").warning("a refusal is in the log alone", reason=str(error))


def _item(field: str, rule: str, message: str) -> dict[str, str]:
    return {"field": field, "rule": rule, "message": message}


def _without_tag(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A batch's fields without what only Pydantic knows of: the tag of the union's member."""
    field: str = item["field"]
    if "index" in item and field.startswith(_BATCH_PREFIXES):
        field = field.partition(".")[2]
    if "index" in item:
        field = field.removeprefix("config.")
    return {**item, "field": field}
