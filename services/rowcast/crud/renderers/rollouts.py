"""Roll-outs as the database has them: started, looked up, and told what becomes of them.

Every function works in the caller's transaction; how one goes on is `rollout_worker.py`.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Numeric, RowMapping, cast, delete, func, insert, literal, select, text, update

from rowcast.core import rollout as core
from rowcast.core.impact import Token
from rowcast.core.rollout import UNDER_WAY, Rollout, RolloutError, Step, steps_as_json
from rowcast.core.shapes import shape_of
from rowcast.crud.database.connections import VouchedFor
from rowcast.crud.database.tables import rollout_rows, rollouts, rows, sources
from rowcast.crud.errors import ConflictError, FieldError, MissingError
from rowcast.crud.renderers import revisions
from rowcast.crud.sources.apply import one_at_a_time
from rowcast.renderers.declaration import read_renderer, read_source
from rowcast.renderers.filters import RowFilterError, RowFilters
from rowcast.renderers.positions import ProblemsError

AWAITING = "somebody else has to approve it, by resuming it"
_NOW = text("SELECT now()")


@dataclass(frozen=True)
class Wanted:
    """What is asked for. `ready_seconds`: after how long a row that is delivered and not ready has failed; None: never.

    `token` is an impact's; with `changed_limit` no more rows than that may have changed since.
    """

    revision: int
    steps: Sequence[Step] = ()
    hold_seconds: int = 0
    failure_limit: int = 0
    ready_seconds: int | None = None
    token: str | None = None
    changed_limit: int | None = None


def start(connection: Connection, name: str, wanted: Wanted, person: str, authors: Iterable[str] = ()) -> int:
    """Begin one; its number. Rows go on in the name of `person`, who goes by all of `authors`, in lower case.

    Raises MissingError, FieldError and ConflictError, and then nothing has changed.
    """
    one_at_a_time(connection)
    known = revisions.get(connection, name)
    if known is None:
        raise MissingError(f"there is no renderer {name}")
    former = connection.execute(select(sources.c.revision).where(sources.c.renderer == name)).scalar_one_or_none()
    if known["deleted"] or former is None:
        raise ConflictError("renderer", "deleted", f"{name} is deleted: it has no rows")
    there = under_way(connection, name)
    if there is not None:
        raise ConflictError(
            "renderer", "rollout", f"roll-out {there['id']} of {name} is {there['state']}: end it first"
        )
    rollout = core.begin(wanted.steps, wanted.hold_seconds, wanted.failure_limit)
    declared = _comparable(connection, name, former, wanted.revision)
    try:
        filters_of(declared, rollout)
    except RowFilterError as error:
        raise FieldError(f"steps[{error.place}].filter", "expression", str(error)) from error
    changed = _changed_since(connection, declared, wanted)
    mine = (rows.c.renderer == name) & ~rows.c.deleted
    had = connection.execute(select(rows.c.revision).distinct().where(mine).order_by(rows.c.revision)).scalars()
    values = {
        "renderer": name,
        "revision": wanted.revision,
        "former": former,
        "from_revisions": list(had),
        "state": rollout.state,
        "started_by": str(person),
        "authors": sorted(authors),
        **_in_name_of(person),
        "hold_seconds": wanted.hold_seconds,
        "ready_seconds": wanted.ready_seconds,
        "failure_limit": wanted.failure_limit,
        "steps": steps_as_json(rollout),
        "impact_token": wanted.token,
        "changed_since": changed,
    }
    number: int = connection.execute(insert(rollouts).values(values).returning(rollouts.c.id)).scalar_one()
    # Rows of earlier ones are of no use: only the newest can be rolled back.
    earlier = select(rollouts.c.id).where(rollouts.c.renderer == name, rollouts.c.id < number)
    connection.execute(delete(rollout_rows).where(rollout_rows.c.rollout.in_(earlier)))
    already = select(
        literal(number), rows.c.key, literal(-1), rows.c.revision, rows.c.generation, rows.c.changed_at
    ).where(mine, rows.c.revision == wanted.revision)
    names = [column.name for column in rollout_rows.c]
    connection.execute(insert(rollout_rows).from_select(names, already))
    return number


def under_way(connection: Connection, name: str) -> RowMapping | None:
    """That of a renderer, if there is one."""
    query = select(rollouts).where(rollouts.c.renderer == name, rollouts.c.state.in_(UNDER_WAY))
    return connection.execute(query).mappings().one_or_none()


def with_under_way(connection: Connection, found: Sequence[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """Renderers, each with the `rollout` that is under way: how it is, and at which step. None without one."""
    query = select(rollouts).where(rollouts.c.state.in_(UNDER_WAY))
    its = {
        kept["renderer"]: {
            "id": kept["id"],
            "state": kept["state"],
            "step": as_rollout(kept).place,
            "steps": len(kept["steps"]),
        }
        for kept in connection.execute(query).mappings()
    }
    return [{**one, "rollout": its.get(one["name"])} for one in found]


def get(connection: Connection, name: str, number: int | None = None, locked: bool = False) -> RowMapping:
    """One of a renderer's, or the newest. Raises MissingError."""
    query = select(rollouts).where(rollouts.c.renderer == name).order_by(rollouts.c.id.desc()).limit(1)
    if number is not None:
        query = query.where(rollouts.c.id == number)
    found = connection.execute(query.with_for_update() if locked else query).mappings().one_or_none()
    if found is None:
        raise MissingError(f"{name} has no roll-out" if number is None else f"{name} has no roll-out {number}")
    return found


def page(connection: Connection, name: str, before: int | None, limit: int) -> Sequence[RowMapping]:
    """The newest of a renderer, or those before one. Raises MissingError if there is no such renderer."""
    if revisions.get(connection, name) is None:
        raise MissingError(f"there is no renderer {name}")
    query = select(rollouts).where(rollouts.c.renderer == name).order_by(rollouts.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(rollouts.c.id < before)
    return connection.execute(query).mappings().all()


def pause(connection: Connection, name: str, number: int | None) -> RowMapping:
    """No more rows until it is resumed. As all of these, raises MissingError, ConflictError."""
    return _tell(connection, name, number, core.pause)


def await_approval(connection: Connection, name: str, number: int) -> None:
    """One that has just begun goes on once another person resumes it."""
    _tell(connection, name, number, lambda rollout: dataclasses.replace(core.pause(rollout), why=AWAITING))


def approve(connection: Connection, number: int, person: str) -> None:
    """Keep who it was, within the transaction that resumes it: rows that go on by it name them."""
    approved = {"approved_by": str(person), "approved_by_verified": isinstance(person, VouchedFor)}
    connection.execute(update(rollouts).where(rollouts.c.id == number).values(approved))


def resume(connection: Connection, name: str, number: int | None, failure_limit: int | None = None) -> RowMapping:
    """Go on, with another limit of failures if one is given; in the name of who has started it, as before."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return _tell(connection, name, number, lambda rollout: core.resume(rollout, now, failure_limit))


def abort(connection: Connection, name: str, number: int | None) -> RowMapping:
    """No more rows, for good."""
    return _tell(connection, name, number, core.abort)


def roll_back(connection: Connection, name: str, number: int | None, person: str) -> RowMapping:
    """Its rows get the revision back that they had, as long as nothing later has given them one; in the name of
    `person`, whom nobody has approved.
    """
    one_at_a_time(connection)
    found = get(connection, name, number)
    newest = get(connection, name)
    if newest["id"] != found["id"]:
        raise ConflictError("state", "rollout", f"roll-out {newest['id']} is later: only the newest can be rolled back")
    current = connection.execute(select(sources.c.revision).where(sources.c.renderer == name)).scalar_one_or_none()
    if current not in (found["revision"], found["former"]):
        state = "is deleted" if current is None else f"is at revision {current} since"
        raise ConflictError("state", "rollout", f"{name} {state}: its rows are no more those of this roll-out")
    return _tell(connection, name, number, core.roll_back, **_in_name_of(person))


def approver(kept: RowMapping) -> str | None:
    """Who has approved it; VouchedFor if somebody vouches for them."""
    person: str | None = kept["approved_by"]
    return VouchedFor(person) if person is not None and kept["approved_by_verified"] else person


def as_rollout(kept: RowMapping) -> Rollout:
    """What the core knows of it."""
    return Rollout(
        core.steps_of(kept["steps"]), kept["hold_seconds"], kept["failure_limit"], kept["state"], kept["why"]
    )


def save(connection: Connection, number: int, before: Rollout, after: Rollout, **more: Any) -> None:
    """Keep what became of it; `changed_at` says when it last was in another state."""
    values: dict[str, Any] = more | {
        "state": after.state,
        "why": after.why,
        "failure_limit": after.failure_limit,
        "steps": steps_as_json(after),
    }
    states = [(each.state, [step.state for step in each.steps]) for each in (before, after)]
    if states[0] != states[1]:
        values["changed_at"] = func.now()
    connection.execute(update(rollouts).where(rollouts.c.id == number).values(values))


def filters_of(declared: RowMapping, rollout: Rollout) -> RowFilters:
    """The filters of its steps, by the revision that is rolled out. Raises RowFilterError."""
    shape = shape_of(declared["shape"])
    return RowFilters(read_renderer(declared["text"], shape), shape, [step.filter for step in rollout.steps])


def names(connection: Connection, kept: RowMapping) -> Callable[[Mapping[str, Any]], tuple[str | None, str | None]]:
    """Gives a captured row's name and environment, by the revision that is rolled out."""
    declared = revisions.revision(connection, kept["renderer"], kept["revision"])
    if declared is None:
        raise MissingError(f"there is no revision {kept['revision']} of {kept['renderer']}")
    return filters_of(declared, as_rollout(kept)).names


def _tell(
    connection: Connection, name: str, number: int | None, what: Callable[[Rollout], Rollout], **more: Any
) -> RowMapping:
    found = get(connection, name, number, locked=True)
    before = as_rollout(found)
    try:
        after = what(before)
    except RolloutError as error:
        raise ConflictError("state", "rollout", f"roll-out {found['id']} can't: {error}") from error
    save(connection, found["id"], before, after, **more)
    return get(connection, name, found["id"])


def _in_name_of(person: str) -> dict[str, Any]:
    """Whose the generations are that rows get."""
    return {"actor": str(person), "actor_verified": isinstance(person, VouchedFor)}


def _comparable(connection: Connection, name: str, former: int, number: int) -> RowMapping:
    """The revision that is to be rolled out. Raises FieldError, ConflictError if it captures anything else."""
    declared, before = (revisions.revision(connection, name, each) for each in (number, former))
    if declared is None:
        raise FieldError("revision", "missing", f"there is no revision {number} of {name}")
    try:
        same = before is not None and declared["shape"] == before["shape"] and _source(declared) == _source(before)
        read_renderer(declared["text"], shape_of(declared["shape"]))
    except ProblemsError as error:
        raise ConflictError("revision", "source", f"revision {number} can't be read: {error.problems[0]}") from error
    if not same:
        raise ConflictError(
            "revision",
            "source",
            f"revision {number} captures another table, or other columns, than revision {former}, by which rows are"
            " captured now: that can't be done in steps (rowcast renderer apply)",
        )
    return declared


def _source(declared: RowMapping) -> object:
    return dataclasses.replace(read_source(declared["text"]), edit=False)


def _changed_since(connection: Connection, declared: RowMapping, wanted: Wanted) -> int | None:
    """How many rows have changed since the impact of the token. Raises FieldError, ConflictError if too many."""
    if wanted.token is None:
        if wanted.changed_limit is not None:
            raise FieldError("changed_limit", "required", "counts from an impact: give its token, too")
        return None
    token = Token.of(wanted.token)
    if token.digest != declared["sha256"]:
        raise FieldError("token", "conflict", f"is of another declaration than revision {declared['revision']}")
    if not re.fullmatch(r"(\d{1,12}\.\d{6})?", token.moment):
        raise FieldError("token", "token", "is not a token that an impact gave out")
    changed = rows.c.renderer == declared["name"]
    if token.moment:
        changed &= func.extract("epoch", rows.c.changed_at) > cast(token.moment, Numeric)
    number: int = connection.execute(select(func.count()).select_from(rows).where(changed)).scalar_one()
    if wanted.changed_limit is not None and number > wanted.changed_limit:
        said = f"{number} rows have changed since that impact was seen, and the limit is {wanted.changed_limit}"
        raise ConflictError("token", "changed", said)
    return number
