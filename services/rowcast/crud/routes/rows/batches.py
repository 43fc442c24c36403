"""Many changes in one transaction."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body
from sqlalchemy import RowMapping

from rowcast.core.row import APP_CONFIGS
from rowcast.crud.access.callers import Caller
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.rows import batch
from rowcast.crud.rows.schemas import AppConfigOut, BatchIn, BatchOut, CreateItem, DeleteItem, UpdateItem

router = APIRouter(tags=["configurations"])

_EXAMPLE = {
    "items": [
        {
            "action": "create",
            "config": {
                "name": "checkout",
                "repository_url": "https://git.example/shop/checkout.git",
                "branch": "main",
                "environment": "staging",
            },
        },
        {"action": "update", "id": 7, "generation": 3, "config": {"branch": "release"}},
        {"action": "delete", "id": 8},
    ]
}
Changes = Annotated[BatchIn, Body(openapi_examples={"three changes": {"value": _EXAMPLE}})]


@router.post("/appconfigs:batch", operation_id="batchAppConfigs", responses=responses(404, 409, 412))
def apply(changes: Changes, asking: Asking, database: Database, actor: Actor) -> BatchOut:
    """Up to 1,000 changes, all or nothing; `errors` of a problem name the items by `index`. Names may be swapped."""
    items = [_item(item) for item in changes.items]
    rows = batch.apply_batch(database, actor, items, partial(why_not, asking))
    return BatchOut(items=[AppConfigOut.model_validate(dict(row)) if row else None for row in rows])


def why_not(asking: Caller, item: batch.Item, row: RowMapping | None) -> str | None:
    """Why not; empty for a row that is not there for them. One that moves needs both environments."""
    if row is not None and not asking.sees(row["environment"]):
        return ""
    verb = "delete" if item.action == "delete" else "edit"
    places = [row["environment"]] if row is not None else []
    wanted = (item.config or {}).get("environment")
    if wanted is not None and wanted not in places:
        places.append(wanted)
    whys = (asking.why_not("rows", verb, APP_CONFIGS, place) for place in places)
    return next((why for why in whys if why is not None), None)


def _item(item: CreateItem | UpdateItem | DeleteItem) -> batch.Item:
    match item:
        case CreateItem():
            return batch.Item("create", config=item.config.model_dump())
        case UpdateItem():
            return batch.Item("update", item.id, item.generation, item.config.fields())
        case DeleteItem():
            return batch.Item("delete", item.id, item.generation)
