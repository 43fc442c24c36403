"""Problem details (RFC 9457) for every error that an application answers."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

PROBLEM_JSON = "application/problem+json"
EVENTS_PREFIX = "/events/"
"""Routes that only a sidecar calls, to deliver events. Dapr drops an event that is answered 404."""

_UNDECODABLE = "There was an error parsing the body"
"""FastAPI's word for a body that isn't UTF-8 or is nested too deeply; what isn't JSON is a validation error."""
_RULES = {
    "missing": "required",
    "string_too_long": "max-length",
    "string_too_short": "min-length",
    "extra_forbidden": "unknown-field",
    "json_invalid": "json",
    "model_attributes_type": "json-object",
    "dict_type": "json-object",
    "string_unicode": "unicode",
    "too_long": "max-items",
    "too_short": "min-items",
    "greater_than_equal": "minimum",
    "less_than_equal": "maximum",
    "literal_error": "one-of",
    "enum": "one-of",
}


class ProblemError(Exception):
    """An answer that is an error, raised anywhere below a route.

    `errors` holds objects `{field, rule, message}`; `rule` is a stable word for machines.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers


class ProblemResponse(JSONResponse):
    """A JSON answer of media type `application/problem+json`."""

    media_type = PROBLEM_JSON

    def render(self, content: Any) -> bytes:
        """As in `printable`."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def printable(text: str) -> str:
    """The text with `?` for what UTF-8 can't hold: halves of surrogate pairs, which JSON can escape."""
    return text.encode(errors="replace").decode()


def problem(
    status: int, detail: str, errors: Sequence[Mapping[str, Any]] = (), headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """The answer `{type, title, status, detail, errors?}`; `type` is `about:blank`: the title says it all."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = [dict(error) for error in errors]
    return ProblemResponse(body, status_code=status, headers=dict(headers) if headers else None)


def validation_errors(error: RequestValidationError) -> list[dict[str, Any]]:
    """Pydantic's findings as `{field, rule, message}`, plus `index` for an element of a body's `items`.

    A custom error's type (`PydanticCustomError`) is the rule as it is, with `-` for `_`.
    """
    return [_validation_error(found) for found in error.errors()]


def _validation_error(found: Mapping[str, Any]) -> dict[str, Any]:
    location = [part for part in found["loc"] if part not in ("body", "query", "path", "header")]
    kind = str(found["type"])
    answer: dict[str, Any] = {
        "field": ".".join(str(part) for part in location) or "body",
        "rule": _RULES.get(kind, kind.replace("_", "-")),
        "message": found["msg"],
    }
    if kind == "json_invalid":
        answer["field"] = "body"
    if len(location) > 1 and location[0] in ("items", "rows", "operations") and isinstance(location[1], int):
        answer["index"] = location[1]
        answer["field"] = ".".join(str(part) for part in location[2:]) or str(location[0])
    return answer


def add_problem_handlers(app: FastAPI) -> None:
    """Makes every error of `app` a problem: validation, unknown routes, `ProblemError`."""

    @app.exception_handler(ProblemError)
    async def raised(_request: Request, error: ProblemError) -> ProblemResponse:
        return problem(error.status, error.detail, error.errors, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> ProblemResponse:
        return problem(422, "the request is not valid", validation_errors(error))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> ProblemResponse:
        if error.status_code == 404 and request.url.path.startswith(EVENTS_PREFIX):
            # A 404 would make Dapr drop the event; a route that is missing (a rollout, a typo) must be retried instead.
            return problem(503, "nothing here takes these events yet", headers={"retry-after": "1"})
        if error.status_code == 400 and error.detail == _UNDECODABLE:
            item = {"field": "body", "rule": "json", "message": "must be JSON in UTF-8, not nested too deeply"}
            return problem(422, "the request is not valid", [item])
        return problem(error.status_code, str(error.detail), headers=error.headers)
