"""What the targets' instances say of their statuses."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from rowcast.crud.routes.errors import responses
from rowcast.runtime.stuck_sidecar import StuckSidecar

router = APIRouter(tags=["statuses"])


class Missed(BaseModel):
    """What was done about it."""

    ended: bool
    """Whether crud's sidecar was asked to end: it is started anew, and reads what it held back."""


@router.post("/statuses:missed", operation_id="missStatuses", responses=responses())
async def missed(request: Request) -> Missed:
    """A target says that statuses have not come which it has published twice, with a broker that may hold them back."""
    stuck: StuckSidecar | None = request.app.state.stuck
    return Missed(ended=stuck is not None and await stuck.end())
