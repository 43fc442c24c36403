"""Many configurations from a file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import RowMapping

from rowcast.core.row import APP_CONFIGS
from rowcast.core.rules import LABEL_MAX
from rowcast.crud.access.callers import Caller
from rowcast.crud.fields import MAX_BATCH, Strict
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database
from rowcast.crud.routes.errors import ProblemItem, note_refusal, responses
from rowcast.crud.rows import imports
from rowcast.crud.rows.imports import Given, Line
from rowcast.crud.rows.repository import CONTENT
from rowcast.crud.rows.schemas import AppConfigIn, AppConfigListed
from rowcast.crud.rows.usecases import differs, merged
from rowcast.runtime.problems import ProblemResponse, printable, validation_errors

router = APIRouter(tags=["configurations"])


_COLUMNS = frozenset(AppConfigListed.model_fields)
"""What an export or a list has; what isn't in CONTENT is not a person's to set."""


class ImportIn(Strict):
    """Rows as `GET /appconfigs:export` gives them; its columns that aren't a person's to set are ignored."""

    rows: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH)]
    dry_run: bool = False
    partial: bool = Field(default=False, description="leave out what is refused, instead of refusing all")


class ImportLine(BaseModel):
    """What becomes of the row at `index`; `fields` has before and after of what differs."""

    index: int
    name: str
    action: imports.Action
    row_id: int | None = None
    fields: dict[str, tuple[str | None, str]] = {}
    errors: list[ProblemItem] = []


class ImportOut(BaseModel):
    """What an import did, or would do."""

    created: int
    changed: int
    unchanged: int
    refused: int
    lines: list[ImportLine]


@router.post("/appconfigs:import", operation_id="importAppConfigs", response_model=ImportOut, responses=responses(409))
def import_rows(wanted: ImportIn, asking: Asking, database: Database, actor: Actor) -> ImportOut | JSONResponse:
    """Creates or changes up to 1,000 rows, which it knows by their names, in one transaction; deletes none.

    A field that a row leaves out stays as it is. If some are refused, 422 has the same report and nothing is changed.
    """
    given = [_given(row) for row in wanted.rows]
    permit = partial(_refusal, asking)
    if wanted.dry_run:
        return _report(imports.judge(database, given, permit))
    try:
        return _report(imports.execute(database, actor, given, wanted.partial, permit))
    except imports.ImportRefusedError as error:
        note_refusal(database, asking, [each for line in error.lines for each in line.errors])
        return problem_of(str(error), error.lines, _report(error.lines).model_dump())


def _refusal(asking: Caller, given: Given, row: RowMapping | None) -> imports.Finding | None:
    """Why a line is refused to them. The name of a row that is not there for them is taken, and no more is said."""
    if row is not None and not asking.sees(row["environment"]):
        return {"field": "name", "rule": "unique", "message": f"the name {given.name!r} is taken"}
    if row is not None and not differs(row, merged(row, given.fields)):
        return None
    places = dict.fromkeys([*([row["environment"]] if row else []), given.fields.get("environment")])
    whys = (asking.why_not("rows", "edit", APP_CONFIGS, place) for place in places if place is not None)
    why = next((why for why in whys if why is not None), None)
    return None if why is None else {"field": "environment", "rule": "policy", "message": why}


def _given(row: Mapping[str, Any]) -> Given:
    fields = {name: row[name] for name in CONTENT if name in row}
    errors: list[Mapping[str, Any]] = [_unknown(column) for column in row if column not in _COLUMNS]
    try:
        whole = AppConfigIn.model_validate(fields).model_dump()
    except ValidationError as error:
        errors.extend(validation_errors(RequestValidationError(error.errors())))
    if errors:
        name = fields.get("name")
        return Given(printable(name)[:LABEL_MAX] if isinstance(name, str) else "", errors=errors)
    return Given(whole["name"], fields, whole)


def _unknown(column: str) -> Mapping[str, Any]:
    """A column that is misspelt would otherwise leave its field as it is, without a word."""
    return {"field": printable(column)[:LABEL_MAX], "rule": "unknown-field", "message": "is no column of an export"}


def _report(lines: Sequence[Line]) -> ImportOut:
    return ImportOut(**counted(lines), lines=[ImportLine.model_validate(asdict(line)) for line in lines])


def counted(lines: Sequence[Line]) -> dict[str, Any]:
    """How many of each action there are, as a report has it."""
    count: Counter[str] = Counter(line.action for line in lines)
    actions = {"created": "create", "changed": "change", "unchanged": "none", "refused": "refuse"}
    return {name: count[action] for name, action in actions.items()}


def problem_of(detail: str, lines: Sequence[Line], report: Mapping[str, Any]) -> ProblemResponse:
    """The answer of an import of which some lines are refused; it has the report, too."""
    errors = [{"index": line.index, **error} for line in lines for error in line.errors]
    body = {"type": "about:blank", "title": "Unprocessable Content", "status": 422, "detail": detail, "errors": errors}
    return ProblemResponse({**body, **report}, status_code=422)
