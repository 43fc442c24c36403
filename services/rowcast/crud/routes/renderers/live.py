"""What the targets have of a renderer's row now."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
import yaml
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Engine, RowMapping
from starlette.concurrency import run_in_threadpool

from rowcast.core.row import KEY_MAX, RowKey
from rowcast.crud.access.callers import Caller
from rowcast.crud.database.connections import reading
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Asked, Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.renderers.reads import Name, seen_row
from rowcast.crud.routes.rows_of_any_table import as_line
from rowcast.crud.targets.schemas import TargetLive

router = APIRouter(prefix="/renderers", tags=["renderers"])


class LiveRow(TargetLive):
    """What is at one target of a row, beside what its table asks for."""

    found: bool | None = Field(description="null where the target can't be asked")
    manifests: list[dict[str, Any]] = Field(description="those of `live`")
    difference: list[str] = Field(description="lines, unified, from `live` to what the table asks for")
    error: str | None = Field(description="why the target would not take what the table asks for")


class LiveRows(BaseModel):
    """What is at each target, by its name."""

    targets: dict[str, LiveRow]


@router.get("/{name}/live", operation_id="getLiveRow", responses=responses(404))
async def live(
    name: Name,
    key: Annotated[str, Query(max_length=KEY_MAX, description="The row's key, as lists have it.")],
    asking: Asking,
    database: Database,
    instances: Asked,
) -> LiveRows:
    """What each target has of a row now, also of one that is deleted, asked of the targets themselves.

    Within about eight seconds; a target that can't be asked says so in `unavailable`.
    """
    row = await run_in_threadpool(_row, database, asking, RowKey(name, key))
    there = instances.ask_all("GET", f"/live?{urlencode({'row': str(RowKey(name, key))})}")
    if row["deleted"]:
        return LiveRows(targets={one["target"]: _target(one, {}) for one in await there})
    wanted = instances.ask_all("POST", "/preview", {"row": orjson.loads(as_line(row))})
    both = zip(*await asyncio.gather(there, wanted), strict=True)
    return LiveRows(targets={one["target"]: _target(one, preview) for one, preview in both})


def _row(database: Engine, asking: Caller, row: RowKey) -> RowMapping:
    with reading(database) as connection:
        return seen_row(connection, asking, row)


def _target(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> LiveRow:
    text, unavailable = there.get("live"), there["unavailable"]
    refusal = wanted.get("error")
    return LiveRow.model_validate(
        {
            **there,
            "found": None if unavailable else text is not None,
            "manifests": list(_documents(text or "")),
            "difference": (wanted.get("diff") or "").splitlines(),
            "error": f"{refusal['reason']}: {refusal['message']}" if refusal else None,
            "unavailable": unavailable or wanted.get("unavailable"),
        }
    )


def _documents(text: str) -> Iterable[dict[str, Any]]:
    try:
        # As text has them: no date of YAML's is one of JSON's.
        return [one for one in yaml.load_all(text, Loader=_Plain) if isinstance(one, dict)]
    except yaml.YAMLError:
        return ()  # a file in Git may be anybody's; its text is there


class _Plain(yaml.CSafeLoader):
    pass


for _tag in ("timestamp", "binary"):
    _Plain.add_constructor(f"tag:yaml.org,2002:{_tag}", lambda _, node: node.value)
