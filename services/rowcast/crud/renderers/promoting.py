"""Promotes rows: copies fields from a counterpart, as an edit of the row, or asks somebody else to approve that."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from rowcast.core.promotion import Step, may_approve, same
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.crud.database.connections import VouchedFor, changing, reading
from rowcast.crud.database.tables import promotions
from rowcast.crud.errors import ConflictError, DeniedError, FieldError, ForbiddenError, MissingError, NameTakenError
from rowcast.crud.renderers import rows as captured
from rowcast.crud.renderers.editing import Editor, Permit, edit
from rowcast.crud.renderers.preview import Preview, Question, preview
from rowcast.crud.renderers.promotions import Ground, Group, board, ground, groups_of
from rowcast.crud.rows import repository
from rowcast.crud.rows.usecases import merged
from rowcast.crud.settings import CrudSettings

Outcome = Literal["possible", "promoted", "awaiting", "refused"]
MOST_PREVIEWS = 20
T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """One promotion as it was seen: from which row to which, and the generations that both had."""

    from_key: str
    from_generation: int
    to_key: str
    to_generation: int


@dataclass(frozen=True)
class Result:
    """What became of one, or would. `rule` and `why` are of what is refused; `generation` is the new one of the row,
    `record` the number of the promotion or of the request; `before` and `after` are what the row becomes.
    """

    wanted: Wanted
    outcome: Outcome
    step: Step | None = None
    rule: str | None = None
    why: str | None = None
    wait_seconds: float | None = None
    generation: int | None = None
    record: int | None = None
    before: Preview | None = None
    after: Preview | None = None


class _Table(Protocol):
    """Rows that are written within a transaction."""

    connection: Connection

    def lock(self, keys: Sequence[str]) -> None:
        """Nobody else changes these rows until the transaction ends."""
        ...

    def write(self, key: str, values: Mapping[str, Any]) -> RowMapping:
        """A locked row, changed: its generation, and `row` with its columns. Raises FieldError."""
        ...


class _OfARenderer:
    def __init__(self, editor: Editor) -> None:
        self._editor, self.connection = editor, editor.connection

    def lock(self, keys: Sequence[str]) -> None:
        self._editor.locked(keys)

    def write(self, key: str, values: Mapping[str, Any]) -> RowMapping:
        self._editor.update(key, values)
        row = captured.get(self.connection, RowKey(self._editor.renderer, key))
        if row is None:
            raise ConflictError("row", "not-captured", "the table's triggers of Rowcast have not captured it")
        return row


class _OfConfigurations:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._rows: dict[int, RowMapping] = {}

    def lock(self, keys: Sequence[str]) -> None:
        self._rows = repository.lock_many(self.connection, [int(key) for key in keys])

    def write(self, key: str, values: Mapping[str, Any]) -> Any:
        row = self._rows[int(key)]
        written = repository.update_many(self.connection, {row["id"]: merged(row, values)})[row["id"]]
        return {"generation": written["generation"], "row": dict(written)}


def _transaction(engine: Engine, actor: str, permit: Permit, work: Callable[[_Table], T]) -> T:
    """As an edit of the renderer's rows is one. Raises what `edit` raises."""
    if permit.renderer != APP_CONFIGS:
        return edit(engine, actor, permit, lambda editor: work(_OfARenderer(editor)))
    with changing(engine, actor) as connection:
        return work(_OfConfigurations(connection))


def see(
    connection: Connection, permit: Permit, settings: CrudSettings, wanted: Sequence[Wanted], previews: int
) -> list[Result]:
    """What promoting these would do now; the first `previews` with what the rows become before and after."""
    of = _ground(connection, permit, settings)
    results = _judged(of, groups_of(connection, of, settings, [each.to_key for each in wanted]), wanted)
    return _previewed(connection, permit.renderer, results, previews)


def see_all(
    connection: Connection, permit: Permit, settings: CrudSettings, into: str | None, previews: int, limit: int
) -> tuple[list[Result], int]:
    """What promoting all that differ would do now, `limit` at most, and how many groups there are that differ."""
    of = _ground(connection, permit, settings)
    found = board(connection, of, settings, differs=True, limit=limit)
    steps = [step for group in found.groups for step in group.steps if step.fields and into in (None, step.place)]
    return _previewed(connection, permit.renderer, [_as_seen(step) for step in steps[:limit]], previews), found.total


def see_rows(
    connection: Connection, permit: Permit, settings: CrudSettings, keys: Sequence[str], previews: int
) -> list[Result]:
    """What promoting to these rows would do now. Raises MissingError for one that is in no place of the order, or is
    not alone in it.
    """
    of = _ground(connection, permit, settings)
    found = groups_of(connection, of, settings, keys)
    by_key = {step.row.key: step for group in found for step in group.steps if step.row is not None}
    missing = [key for key in keys if key not in by_key]
    if missing:
        raise MissingError(f"row {', '.join(missing)} of {permit.renderer} is not alone in a place of the order")
    return _previewed(connection, permit.renderer, [_as_seen(by_key[key]) for key in keys], previews)


def _as_seen(step: Step) -> Result:
    row, source = step.row, step.source
    wanted = Wanted(
        source.key if source else "",
        source.generation if source else 0,
        row.key if row else "",
        row.generation if row else 0,
    )
    return _possible(wanted, step)


def promote(
    engine: Engine, actor: str, permit: Permit, settings: CrudSettings, wanted: Sequence[Wanted]
) -> list[Result]:
    """Promotes what can be, each by itself, in one transaction; where an approval is needed, keeps the request.

    What has changed since it was seen is refused, and what isn't permitted in the environment that it is promoted to.
    Raises what an edit of the renderer's rows raises, and FieldError for a row that is there twice.
    """
    renderer = permit.renderer
    if len({each.to_key for each in wanted}) < len(wanted):
        raise FieldError("items", "duplicate", "two promotions are to one row")

    def work(table: _Table) -> list[Result]:
        results, promotion = _locked(table, permit, settings, wanted)
        results = [_permitted(each, permit) for each in results]
        if promotion.promotion is not None and promotion.promotion.approval:
            return [_asked(table.connection, renderer, actor, each) for each in results]
        return [_promoted(table, renderer, actor, each, None) for each in results]

    return _transaction(engine, actor, permit, work)


def approve(
    engine: Engine, actor: str, permit: Permit, settings: CrudSettings, number: int, anonymous: str
) -> RowMapping:
    """Promotes what somebody has asked for, in their name; the record as it is then. `permit` is of who approves.

    Raises MissingError, ForbiddenError (rule `approval`) for who may not, ConflictError where it can't be promoted now:
    rule `resolved` for one that was decided on, `generation` where a row has changed since, and it is outdated then.
    """
    renderer = permit.renderer
    with reading(engine) as connection:
        asked = record(connection, renderer, number)
    verified = isinstance(actor, VouchedFor)
    why = may_approve(asked["asked_by"], asked["asked_by_verified"], str(actor), verified, anonymous)
    if why is not None:
        raise ForbiddenError("approval", why)
    person: str = VouchedFor(asked["asked_by"]) if asked["asked_by_verified"] else asked["asked_by"]

    def work(table: _Table) -> Result:
        asked = _awaiting(table.connection, renderer, number)
        wanted = Wanted(asked["from_key"], asked["from_generation"], asked["to_key"], asked["to_generation"])
        [result], _ = _locked(table, permit, settings, [wanted])
        if (
            result.outcome == "possible"
            and result.step is not None
            and not same(_as_json(result.step), asked["fields"])
        ):
            # What is promoted may be declared otherwise meanwhile.
            result = replace(result, outcome="refused", rule="generation", why="other fields would be copied now")
        if result.outcome == "refused" and result.rule == "generation":
            _decide(table.connection, number, "outdated", actor, result.why)
            return result
        return _promoted(table, renderer, actor, result, number)

    result = _transaction(engine, person, permit, work)
    if result.outcome == "refused":
        raise ConflictError("promotion", result.rule or "refused", result.why or "")
    with reading(engine) as connection:
        return record(connection, renderer, number)


def refuse(engine: Engine, actor: str, renderer: str, number: int, why: str | None) -> RowMapping:
    """Says no to what somebody has asked for, or takes the own request back. Raises MissingError, ConflictError."""
    with changing(engine, actor) as connection:
        _awaiting(connection, renderer, number)
        _decide(connection, number, "refused", actor, why)
        return record(connection, renderer, number)


def _ground(connection: Connection, permit: Permit, settings: CrudSettings) -> Ground:
    return ground(connection, permit.renderer, settings, permit.asking.seen(permit.renderer))


def _locked(
    table: _Table, permit: Permit, settings: CrudSettings, wanted: Sequence[Wanted]
) -> tuple[list[Result], Ground]:
    """What is allowed of these, by rows that nobody else changes any more."""
    of = _ground(table.connection, permit, settings)
    if of.promotion is None:
        raise ConflictError("promotion", "no-promotion", f"nothing is promoted: {of.why}")
    keys = {key for each in wanted for key in (each.from_key, each.to_key)}
    table.lock(sorted(key for key in keys if _is_key(permit.renderer, key)))
    found = groups_of(table.connection, of, settings, [each.to_key for each in wanted])
    return _judged(of, found, wanted), of


def _permitted(result: Result, permit: Permit) -> Result:
    if result.outcome != "possible" or result.step is None or result.step.row is None:
        return result
    why = permit.why_not("edit", result.step.row.environment)
    return result if why is None else replace(result, outcome="refused", rule="policy", why=why)


def _is_key(renderer: str, key: str) -> bool:
    return "\x00" not in key and (renderer != APP_CONFIGS or (key.isascii() and key.isdigit() and len(key) < 19))


def _judged(of: Ground, found: Sequence[Group], wanted: Sequence[Wanted]) -> list[Result]:
    if of.promotion is None:
        return [Result(each, "refused", rule="no-promotion", why=of.why) for each in wanted]
    by_key = {step.row.key: step for group in found for step in group.steps if step.row is not None}
    return [_judge(each, by_key.get(each.to_key)) for each in wanted]


def _judge(wanted: Wanted, step: Step | None) -> Result:
    if step is None or step.row is None:
        return Result(wanted, "refused", rule="not-found", why=f"row {wanted.to_key} is not the only one in its place")
    if step.row.generation != wanted.to_generation:
        why = f"row {wanted.to_key} has changed since: it is at generation {step.row.generation} now"
        return Result(wanted, "refused", step, "generation", why)
    if step.source is not None and (step.source.key, step.source.generation) != (
        wanted.from_key,
        wanted.from_generation,
    ):
        why = f"what is promoted has changed since: it is row {step.source.key} at generation {step.source.generation}"
        return Result(wanted, "refused", step, "generation", why)
    return _possible(wanted, step)


def _possible(wanted: Wanted, step: Step) -> Result:
    if step.allowed:
        return Result(wanted, "possible", step)
    return Result(wanted, "refused", step, step.rule, step.why, step.wait_seconds)


def _previewed(connection: Connection, renderer: str, results: list[Result], most: int) -> list[Result]:
    if renderer == APP_CONFIGS:
        return results
    return [_with_preview(connection, renderer, each) if n < most else each for n, each in enumerate(results)]


def _with_preview(connection: Connection, renderer: str, result: Result) -> Result:
    if result.step is None or not result.step.fields:
        return result
    key = result.wanted.to_key
    return replace(
        result,
        before=preview(connection, renderer, Question(key)),
        after=preview(connection, renderer, Question(key, _copied(result.step))),
    )


def _copied(step: Step) -> dict[str, Any]:
    return {name: after for name, (_, after) in step.fields.items()}


def _as_json(step: Step) -> dict[str, list[Any]]:
    return {name: list(pair) for name, pair in step.fields.items()}


def _promoted(table: _Table, renderer: str, actor: str, result: Result, request: int | None) -> Result:
    step = result.step
    if result.outcome != "possible" or step is None:
        return result
    values = _copied(step)
    try:
        with table.connection.begin_nested():
            written = table.write(result.wanted.to_key, values)
            for name, value in values.items():
                if not same(written["row"].get(name), value):
                    raise ConflictError(
                        name, "other-value", f"the table has made {json.dumps(written['row'].get(name))} of it"
                    )
    except (FieldError, DeniedError, NameTakenError) as error:
        where = f"{error.field}: " if isinstance(error, FieldError) else ""
        rule = "unique" if isinstance(error, NameTakenError) else error.rule
        return replace(result, outcome="refused", rule=rule, why=f"{where}{error}")
    generation = written["generation"]
    if request is None:
        request = _keep(table.connection, renderer, actor, result, "promoted", generation)
        overtaken = (promotions.c.renderer == renderer) & (promotions.c.to_key == result.wanted.to_key)
        _outdate(table.connection, overtaken)
    else:
        _decide(table.connection, request, "promoted", actor, None, generation)
    return replace(result, outcome="promoted", generation=generation, record=request)


def _asked(connection: Connection, renderer: str, actor: str, result: Result) -> Result:
    if result.outcome != "possible" or result.step is None:
        return result
    its = (promotions.c.renderer == renderer) & (promotions.c.to_key == result.wanted.to_key)
    query = select(promotions).where(its, promotions.c.state == "awaiting").with_for_update()
    there = connection.execute(query).mappings().one_or_none()
    if there is not None:
        seen = Wanted(there["from_key"], there["from_generation"], there["to_key"], there["to_generation"])
        if seen == result.wanted and same(_as_json(result.step), there["fields"]):
            return replace(result, outcome="awaiting", record=there["id"])
        _outdate(connection, its)
    return replace(result, outcome="awaiting", record=_keep(connection, renderer, actor, result, "awaiting", None))


def _outdate(connection: Connection, its: Any) -> None:
    statement = update(promotions).where(its, promotions.c.state == "awaiting")
    why = "another promotion of the row came after it"
    connection.execute(statement.values(state="outdated", decided_at=func.now(), why=why))


def _keep(connection: Connection, renderer: str, actor: str, result: Result, state: str, generation: int | None) -> int:
    wanted, step = result.wanted, result.step
    if step is None or step.source is None or step.row is None:
        raise AssertionError("what is promoted has a source, and a row that it goes to")
    statement = insert(promotions).values(
        renderer=renderer,
        from_key=wanted.from_key,
        from_place=step.source.place,
        from_generation=wanted.from_generation,
        to_key=wanted.to_key,
        to_place=step.place,
        from_environment=step.source.environment,
        to_environment=step.row.environment,
        to_generation=wanted.to_generation,
        fields=_as_json(step),
        state=state,
        asked_by=str(actor),
        asked_by_verified=isinstance(actor, VouchedFor),
        asked_at=func.now(),
        generation=generation,
    )
    number: int = connection.execute(statement.returning(promotions.c.id)).scalar_one()
    return number


def _decide(
    connection: Connection, number: int, state: str, actor: str, why: str | None, generation: int | None = None
) -> None:
    connection.execute(
        update(promotions)
        .where(promotions.c.id == number)
        .values(
            state=state,
            decided_by=str(actor),
            decided_by_verified=isinstance(actor, VouchedFor),
            decided_at=func.now(),
            why=why,
            generation=generation,
        )
    )


def record(connection: Connection, renderer: str, number: int, lock: bool = False) -> RowMapping:
    """What was promoted, or what somebody has asked to. Raises MissingError."""
    query = select(promotions).where(promotions.c.renderer == renderer, promotions.c.id == number)
    found = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if found is None:
        raise MissingError(f"there is no promotion {number} of {renderer}")
    return found


def _awaiting(connection: Connection, renderer: str, number: int) -> RowMapping:
    found = record(connection, renderer, number, lock=True)
    if found["state"] != "awaiting":
        raise ConflictError("state", "resolved", f"promotion {number} is {found['state']} already")
    return found
