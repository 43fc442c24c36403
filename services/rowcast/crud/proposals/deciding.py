"""What becomes of a proposal: approved, which makes the change; rejected; withdrawn; or asked for anew."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping

from rowcast.core.policy import ANONYMOUS
from rowcast.core.promotion import may_approve
from rowcast.core.row import APP_CONFIGS
from rowcast.crud.access.callers import Caller
from rowcast.crud.database.connections import VouchedFor, changing, reading
from rowcast.crud.errors import BatchError, ConflictError, ForbiddenError, MissingError
from rowcast.crud.proposals import records
from rowcast.crud.proposals.review import changed, made
from rowcast.crud.renderers import editing
from rowcast.crud.rows import batch

_STALE = {"generation", "not-found"}


def approve(engine: Engine, by: Caller, proposal: RowMapping, why_no_person: str | None) -> RowMapping:
    """Makes the change, in the name of who has proposed it, in one transaction; the proposal as it is then.

    Raises DeniedError and ForbiddenError (rule `approval`) for who may not; ConflictError, rule `resolved` for one that
    was decided on, and `stale` where a row has changed since, which it is kept as then; and what an edit raises.
    """
    must_approve(by, proposal, why_no_person)
    number = proposal["id"]
    person: str = VouchedFor(proposal["asked_by"]) if proposal["asked_by_verified"] else proposal["asked_by"]
    by.noted.why = f"proposal {number} of {person}"
    by.noted.renderer = proposal["renderer"]
    by.noted.approved_by = by.actor
    by.noted.review = lambda connection: _settle(connection, by, proposal)
    try:
        _write(engine, person, by, proposal)
    except BatchError as error:
        if not any(each.rule in _STALE for each in error.errors):
            raise
        raise _stale(engine, by, number, "; ".join(each.message for each in error.errors)) from error
    except _OthersTooError as error:
        raise _stale(engine, by, number, str(error)) from error
    with reading(engine) as connection:
        return records.get(connection, number)


def must_approve(by: Caller, proposal: RowMapping, why_no_person: str | None) -> None:
    """Raises DeniedError for who may not change that themselves, or not approve it; ForbiddenError for who is one of
    its authors, or no person for whom anybody vouches.
    """
    asked = (proposal["asked_by"], proposal["asked_by_verified"], proposal["authors"])
    why = why_no_person or why_the_same(by, *asked, "proposed")
    if why is not None:
        raise ForbiddenError("approval", why)
    for change in proposal["changes"]:
        verb = "delete" if change["op"] == "delete" else "edit"
        for place in _places(change):
            by.require("rows", "approve", change["renderer"], place)
            if change["renderer"] == proposal["renderer"]:
                by.require("rows", verb, change["renderer"], place)


def why_the_same(by: Caller, asked_by: str, verified: bool, authors: Collection[str], done: str) -> str | None:
    """Why somebody is not known to be another person than who has asked; None if they are. `authors` are all names of
    those who have, in lower case, and `done` says what they have done.
    """
    if by.person_names & {asked_by.casefold(), *authors}:
        return f"{by.actor} has {done} it: somebody else has to approve it"
    return may_approve(asked_by, verified, str(by.actor), isinstance(by.actor, VouchedFor), ANONYMOUS)


def reject(engine: Engine, by: Caller, number: int, why: str) -> RowMapping:
    """Says no. Raises DeniedError, MissingError, ConflictError."""
    with changing(engine, by.actor) as connection:
        proposal = _open(connection, number)
        for change in proposal["changes"]:
            for place in _places(change):
                by.require("rows", "approve", change["renderer"], place)
        records.decide(connection, number, "rejected", by.actor, why)
        return records.get(connection, number)


def withdraw(engine: Engine, by: Caller, number: int) -> RowMapping:
    """Takes it back, for one of its authors. Raises ForbiddenError, MissingError, ConflictError."""
    with changing(engine, by.actor) as connection:
        proposal = _open(connection, number)
        if not by.person_names & set(proposal["authors"]):
            raise ForbiddenError("approval", f"{proposal['asked_by']} has proposed it: others may only reject it")
        records.decide(connection, number, "withdrawn", by.actor, None)
        return records.get(connection, number)


def renew(engine: Engine, by: Caller, proposal: RowMapping, permit: batch.Permit) -> None:
    """Asks for the same of the rows as they are now: as any change, it is another proposal where it wants one, with the
    authors of this one, too. Raises ApprovalWantedError, and what a batch raises.
    """
    if proposal["state"] not in ("open", "stale"):
        raise _resolved(proposal)
    by.noted.renderer = proposal["renderer"]
    _write(engine, by.actor, by, proposal, permit, as_seen=False)


class _OthersTooError(Exception):
    """Other environments would be changed than those that were seen."""


def _settle(connection: Connection, by: Caller, proposal: RowMapping) -> None:
    """The last of the transaction that makes the change: what it has made, and that it is decided."""
    its = _open(connection, proposal["id"])
    changes = changed(connection)
    seen = {(each["renderer"], place) for each in its["changes"] for place in [*each["environments"], None]}
    others = [each for each in changes if not seen.issuperset((each.renderer, place) for place in each.environments)]
    if others:
        said = ", ".join(f"{each.renderer}/{each.name or each.key}" for each in others)
        raise _OthersTooError(f"it would change {said}, which nobody has seen there")
    by.noted.environments.update(each for each in its["environments"] if each is not None)
    records.decide(connection, its["id"], "approved", by.actor, None, made(changes))
    records.overtake(connection, its["id"], its["keys"])


def _places(change: Mapping[str, Any]) -> Sequence[str | None]:
    """Where rights are asked for; None is one that isn't known."""
    return list(change["environments"])


def _write(
    engine: Engine,
    actor: str,
    by: Caller,
    proposal: RowMapping,
    permit: batch.Permit | None = None,
    *,
    as_seen: bool = True,
) -> None:
    operations = [
        editing.Operation(each["action"], each["key"], each["generation"] if as_seen else None, each["values"])
        for each in proposal["operations"]
    ]
    if proposal["renderer"] != APP_CONFIGS:

        def work(editor: editing.Editor) -> None:
            if as_seen:
                _open(editor.connection, proposal["id"])
            editing.apply_batch(editor, operations)

        editing.edit(engine, actor, editing.Permit(by, proposal["renderer"]), work)
        return
    items = [
        batch.Item(each.action, int(each.key) if each.key else None, each.generation, each.values or None)
        for each in operations
    ]
    with changing(engine, actor) as connection:
        if as_seen:
            _open(connection, proposal["id"])
        batch.apply_within(connection, items, *([permit] if permit else []))


def _open(connection: Connection, number: int) -> RowMapping:
    found = records.get(connection, number, lock=True)
    if found["state"] != "open":
        raise _resolved(found)
    return found


def _resolved(proposal: RowMapping) -> ConflictError:
    return ConflictError("state", "resolved", f"proposal {proposal['id']} is {proposal['state']} already")


def _stale(engine: Engine, by: Caller, number: int, why: str) -> ConflictError:
    by.noted.review = None
    with changing(engine) as connection:
        try:
            proposal = _open(connection, number)
        except (ConflictError, MissingError) as error:
            return ConflictError("state", "resolved", str(error))
        said = "; ".join(records.outdated(connection, proposal)) or why
        records.decide(connection, number, "stale", by.actor, said)
    return ConflictError("proposal", "stale", f"nothing was changed, since {said}. It can be renewed")
