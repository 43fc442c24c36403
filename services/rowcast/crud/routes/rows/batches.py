"""Many changes in one transaction."""

from typing import Annotated

from fastapi import APIRouter, Body

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
def apply(changes: Changes, database: Database, actor: Actor) -> BatchOut:
    """Up to 1,000 changes, all or nothing; `errors` of a problem name the items by `index`. Names may be swapped."""
    rows = batch.apply_batch(database, actor, [_item(item) for item in changes.items])
    return BatchOut(items=[AppConfigOut.model_validate(dict(row)) if row else None for row in rows])


def _item(item: CreateItem | UpdateItem | DeleteItem) -> batch.Item:
    match item:
        case CreateItem():
            return batch.Item("create", config=item.config.model_dump())
        case UpdateItem():
            return batch.Item("update", item.id, item.generation, item.config.fields())
        case DeleteItem():
            return batch.Item("delete", item.id, item.generation)
