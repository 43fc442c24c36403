"""Changes that wait for another person: seen, approved, rejected, withdrawn, asked for anew."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from sqlalchemy import Engine, RowMapping

from rowcast.crud import paging
from rowcast.crud.access.callers import Access, Caller
from rowcast.crud.database.connections import reading
from rowcast.crud.errors import MissingError
from rowcast.crud.fields import MAX_ID, Boolean, Decimal, Strict
from rowcast.crud.proposals import deciding, records
from rowcast.crud.proposals.records import State
from rowcast.crud.proposals.schemas import ProposalOut, ProposalPage, proposal_out
from rowcast.crud.routes.admission import Asking
from rowcast.crud.routes.dependencies import Actor, Database
from rowcast.crud.routes.errors import responses
from rowcast.crud.routes.rows.batches import why_not
from rowcast.crud.routes.rows.lists import CursorText, Limit

router = APIRouter(prefix="/proposals", tags=["proposals"])
Number = Annotated[int, Decimal, Path(ge=1, le=MAX_ID, description="The proposal's number, never reused.")]


class RejectionIn(Strict):
    """Why not."""

    why: Annotated[str, Field(min_length=1, max_length=1000)]


@router.get("", operation_id="listProposals", responses=responses())
def list_proposals(
    asking: Asking,
    database: Database,
    limit: Limit = 50,
    cursor: CursorText = None,
    state: State | None = None,
    renderer: Annotated[str | None, Query(max_length=63)] = None,
    environment: Annotated[str | None, Query(max_length=63)] = None,
    author: Annotated[str | None, Query(max_length=400, description="Who has proposed it.")] = None,
    for_approval: Annotated[bool, Boolean, Query(description="Only open ones that you may approve.")] = False,
) -> ProposalPage:
    """Proposals, newest first, of rows that you may see."""
    before = paging.decode_of(cursor, records.LIST)
    wanted = records.ProposalFilter(state, renderer, environment, author, for_approval)
    with reading(database) as connection:
        page = records.page(connection, asking, wanted, before, limit)
    following = page.next_cursor
    return ProposalPage(
        items=[proposal_out(each) for each in page.rows],
        next_cursor=paging.encode(following) if following else None,
        total=page.total,
    )


@router.get("/{id:segment}", operation_id="getProposal", responses=responses(404))
def get(id: Number, asking: Asking, database: Database) -> ProposalOut:  # noqa: A002
    """One of them; `outdated` says what has changed of its rows since they were seen."""
    with reading(database) as connection:
        found = _seen(records.get(connection, id), asking)
        outdated = records.outdated(connection, found) if found["state"] == "open" else []
    return proposal_out(found, outdated)


@router.post("/{id:segment}:approve", operation_id="approveProposal", responses=responses(403, 404, 409))
def approve(id: Number, asking: Asking, request: Request, database: Database, _turn: Actor) -> ProposalOut:  # noqa: A002
    """Makes the change, in the name of who has proposed it, if its rows are as they were seen then."""
    access: Access = request.app.state.access
    found = _there(database, asking, id)
    return proposal_out(deciding.approve(database, asking, found, access.why_no_person(asking)))


@router.post("/{id:segment}:reject", operation_id="rejectProposal", responses=responses(403, 404, 409))
def reject(id: Number, given: RejectionIn, asking: Asking, database: Database, _turn: Actor) -> ProposalOut:  # noqa: A002
    """Says no to it, and why."""
    _there(database, asking, id)
    return proposal_out(deciding.reject(database, asking, id, given.why))


@router.post("/{id:segment}:withdraw", operation_id="withdrawProposal", responses=responses(403, 404, 409))
def withdraw(id: Number, asking: Asking, database: Database, _turn: Actor) -> ProposalOut:  # noqa: A002
    """Takes it back, for one of its authors."""
    _there(database, asking, id)
    return proposal_out(deciding.withdraw(database, asking, id))


@router.post(
    "/{id:segment}:renew",
    status_code=204,
    response_class=Response,
    operation_id="renewProposal",
    responses=responses(202, 403, 404, 409),
)
def renew(id: Number, asking: Asking, database: Database, _turn: Actor) -> None:  # noqa: A002
    """Asks for the same of the rows as they are now: 202 with the new proposal, which has the authors of both; 204 if
    no approval is wanted any more, and it is done.
    """
    found = _there(database, asking, id)
    asking.noted.replaces = id
    deciding.renew(database, asking, found, partial(why_not, asking))


def _there(database: Engine, asking: Caller, number: int) -> RowMapping:
    with reading(database) as connection:
        return _seen(records.get(connection, number), asking)


def _seen(proposal: RowMapping, asking: Caller) -> RowMapping:
    """Raises MissingError for one that is not there for them."""
    if not records.sees(asking, proposal):
        raise MissingError(f"there is no proposal {proposal['id']}")
    return proposal
