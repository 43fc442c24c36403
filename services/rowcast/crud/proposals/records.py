"""Proposals as they are kept: made, listed, and what has become of their rows since. Each works in the caller's
transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, Text, func, insert, not_, select, tuple_, update
from sqlalchemy.dialects.postgresql import array

from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.access.callers import Caller
from rowcast.crud.access.within import where_allowed
from rowcast.crud.database.connections import VouchedFor
from rowcast.crud.database.pruning import Pruning
from rowcast.crud.database.tables import app_configs, proposals, rows
from rowcast.crud.errors import ApprovalWantedError, MissingError
from rowcast.crud.paging import Cursor, Page

State = Literal["open", "approved", "rejected", "withdrawn", "stale"]
LIST = "proposals"
PROPOSALS = Pruning("proposals", "rowcast.prune_proposals", batch=200, pause=3600.0)


@dataclass(frozen=True)
class ProposalFilter:
    """Which ones; None means any. `for_approval`: open ones that who asks may approve."""

    state: State | None = None
    renderer: str | None = None
    environment: str | None = None
    author: str | None = None
    for_approval: bool = False


def keep(
    connection: Connection, caller: Caller, wanted: ApprovalWantedError, replaces: int | None = None
) -> RowMapping:
    """A proposal, as it is kept. Who asks for the same again gets the one that is open."""
    authors = set(caller.person_names)
    if replaces is not None:
        before = get(connection, replaces, lock=True)
        authors |= set(before["authors"])
        if before["state"] in ("open", "stale"):
            decide(connection, replaces, "stale", caller.actor, "it was renewed")
    values = {
        "renderer": wanted.renderer,
        "operation": caller.noted.operation,
        "operations": [dict(each) for each in wanted.operations],
        "changes": [dict(each) for each in wanted.changes],
        # One that isn't known is NULL, and is as any that there may be.
        "environments": sorted({name for each in wanted.changes for name in each["environments"]}, key=str),
        "keys": [f"{each['renderer']}/{each['key']}" for each in wanted.changes if each["key"] is not None],
        "comment": caller.noted.comment,
        "asked_by": str(caller.actor),
        "asked_by_verified": isinstance(caller.actor, VouchedFor),
        "authors": sorted(authors),
        "replaces": replaces,
    }
    same = [proposals.c[name] == values[name] for name in ("renderer", "operations", "asked_by", "authors")]
    query = select(proposals).where(proposals.c.state == "open", *same).order_by(proposals.c.id).limit(1)
    there = connection.execute(query).mappings().one_or_none()
    if there is not None:
        return there
    return connection.execute(insert(proposals).values(values).returning(proposals)).mappings().one()


def get(connection: Connection, number: int, lock: bool = False) -> RowMapping:
    """One of them; with `lock`, nobody else decides until the transaction ends. Raises MissingError."""
    query = select(proposals).where(proposals.c.id == number)
    found = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if found is None:
        raise MissingError(f"there is no proposal {number}")
    return found


def sees(caller: Caller, proposal: RowMapping) -> bool:
    """Whether it is there for them: they may see what it changes, before and after."""
    return all(caller.sees(environment, proposal["renderer"]) for environment in proposal["environments"])


def page(connection: Connection, caller: Caller, wanted: ProposalFilter, before: Cursor | None, limit: int) -> Page:
    """Those that are there for them, newest first, with how many there are in all."""
    its = proposals.c
    conditions = [_within(caller, "view")]
    if wanted.for_approval:
        theirs = array([*caller.person_names, ""], type_=Text)
        conditions += [its.state == "open", not_(its.authors.overlap(theirs)), _within(caller, "approve")]
    if wanted.state is not None:
        conditions.append(its.state == wanted.state)
    if wanted.renderer is not None:
        conditions.append(its.renderer == wanted.renderer)
    if wanted.environment is not None:
        conditions.append(its.environments.contains([wanted.environment]))
    if wanted.author is not None:
        conditions.append(its.authors.contains([wanted.author.casefold()]) | (its.asked_by == wanted.author))
    total = connection.execute(select(func.count()).select_from(proposals).where(*conditions)).scalar_one()
    if before is not None:
        conditions.append(its.id < before.row_id)
    query = select(proposals).where(*conditions).order_by(its.id.desc()).limit(limit + 1)
    found = connection.execute(query).mappings().all()
    more, found = len(found) > limit, found[:limit]
    return Page(found, Cursor(LIST, "", found[-1]["id"]) if more else None, total)


def _within(caller: Caller, verb: str) -> ColumnElement[bool]:
    its = proposals.c
    places = func.unnest(its.environments).table_valued("environment").render_derived()
    allowed = where_allowed(caller.rights, ("rows", verb), its.renderer, places.c.environment)
    return ~select(1).select_from(places).where(not_(allowed)).correlate(proposals).exists()


def decide(
    connection: Connection, number: int, state: State, actor: str, why: str | None, made: Sequence[str] = ()
) -> None:
    """What becomes of one that is locked."""
    verified = isinstance(actor, VouchedFor)
    decided = {"decided_by": str(actor), "decided_by_verified": verified, "decided_at": func.now()}
    values = {"state": state, "why": why, "made": list(made), **decided}
    connection.execute(update(proposals).where(proposals.c.id == number).values(values))


def overtake(connection: Connection, number: int, keys: Sequence[str]) -> None:
    """Open ones of the same rows can't be approved any more."""
    if keys:
        its = (proposals.c.state == "open") & (proposals.c.id != number) & proposals.c["keys"].overlap(list(keys))
        why = f"proposal {number} has changed its rows"
        connection.execute(update(proposals).where(its).values(state="stale", why=why, decided_at=func.now()))


def outdated(connection: Connection, proposal: RowMapping) -> list[str]:
    """What has changed of its rows since they were seen, a sentence each."""
    seen = {
        RowKey(each["renderer"], each["key"]): each for each in proposal["changes"] if each["generation"] is not None
    }
    now = _now(connection, list(seen))
    said = []
    for row, each in seen.items():
        is_now = now.get(row)
        called = f"{row.renderer}/{each['name'] or row.key}"
        if is_now is None:
            said.append(f"{called} is gone")
        elif is_now["generation"] != each["generation"]:
            who = f"{is_now['who'] or 'somebody'} has changed {called}"
            said.append(f"{who}: it is at generation {is_now['generation']}, and was at {each['generation']}")
    return said


def _now(connection: Connection, wanted: Sequence[RowKey]) -> dict[RowKey, RowMapping]:
    ids = [int(row.key) for row in wanted if row.renderer == APP_CONFIGS]
    config = app_configs.c
    query = select(config.id, config.generation, config.updated_by.label("who")).where(config.id.in_(ids))
    found = {RowKey(APP_CONFIGS, str(row["id"])): row for row in connection.execute(query).mappings()}
    others = [(row.renderer, row.key) for row in wanted if row.renderer != APP_CONFIGS]
    captured = select(rows.c.renderer, rows.c.key, rows.c.generation, rows.c.actor.label("who")).where(
        tuple_(rows.c.renderer, rows.c.key).in_(others), ~rows.c.deleted
    )
    found |= {RowKey(row["renderer"], row["key"]): row for row in connection.execute(captured).mappings()}
    return found


def made_by(connection: Connection, row: RowKey, generations: Sequence[int]) -> dict[int, RowMapping]:
    """By generation of a row: the proposal that made it."""
    marks = {f"{row.renderer}/{row.key}@{generation}": generation for generation in generations}
    if not marks:
        return {}
    query = select(proposals).where(proposals.c.made.overlap(list(marks)))
    found = connection.execute(query).mappings().all()
    return {marks[mark]: each for each in found for mark in each["made"] if mark in marks}
