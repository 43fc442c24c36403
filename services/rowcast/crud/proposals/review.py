"""What a transaction has changed, seen before it commits, and whether that wants an approval.

It is looked at what was changed, not at what was asked for: so it is the same for every route, and for what the
database changes of itself: rows that a deletion takes along, and rows whose related ones changed.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, select, text, tuple_

from rowcast.core.policy import Approval, Approvals
from rowcast.core.row import APP_CONFIGS
from rowcast.core.shapes import shape_of
from rowcast.crud.database.audit import Noted
from rowcast.crud.database.tables import history, row_history
from rowcast.crud.errors import ApprovalWantedError, DeniedError
from rowcast.crud.renderers import revisions
from rowcast.crud.renderers.editing import Action, Operation
from rowcast.crud.rows.repository import CONTENT
from rowcast.crud.sources.environments import Environments
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.filters import RowFilters
from rowcast.renderers.positions import ProblemsError

_NOTED = text(
    "SELECT current_setting('rowcast.changed_configurations', true) AS configurations,"
    " current_setting('rowcast.changed_rows', true) AS rows"
)
NameOf = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class Changed:
    """A row that a transaction has changed. `generation` is what it had before, None for one that it made; `row_before`
    and `row_after` are None where there was none.

    `environments` are those before and after; None in them is one that can't be told.
    """

    renderer: str
    key: str
    made: int
    generation: int | None
    row_before: Mapping[str, Any] | None
    row_after: Mapping[str, Any] | None
    name: str | None
    environments: tuple[str | None, ...]

    @property
    def action(self) -> Action:
        """What happened to it, in a batch's word."""
        return "create" if self.row_before is None else "delete" if self.row_after is None else "update"

    def as_json(self, *, whole: bool) -> dict[str, Any]:
        """As it is kept; not `whole`: without its fields."""
        return {
            "renderer": self.renderer,
            "key": None if self.action == "create" else self.key,
            "name": self.name,
            "op": self.action,
            "generation": self.generation,
            "environments": list(self.environments),
            "fields": dict(self._fields()) if whole else {},
        }

    def _fields(self) -> Iterator[tuple[str, list[Any]]]:
        before, after = self.row_before or {}, self.row_after or {}
        for name in dict.fromkeys([*before, *after]):
            if before.get(name) != after.get(name) and (self.renderer != APP_CONFIGS or name in CONTENT):
                yield name, [before.get(name), after.get(name)]


def changed(connection: Connection) -> list[Changed]:
    """What the transaction, which is reviewed, has changed so far, by row."""
    noted = connection.execute(_NOTED).one()
    numbers = [int(number) for number in (noted.configurations or "").split(",") if number]
    found: list[tuple[str, str, int]] = [tuple(each) for each in json.loads(f"[{noted.rows or ''}]")]
    return [*_configurations(connection, numbers), *_rows(connection, found)]


def reviewer(approvals: Approvals, noted: Noted, why_not_propose: str | None = None) -> Callable[[Connection], None]:
    """Raises ApprovalWantedError where the transaction has changed what wants an approval."""

    def review(connection: Connection) -> None:
        changes = changed(connection)
        line = next(filter(None, (_wanted(approvals, each) for each in changes)), None)
        if line is None:
            return
        noted.environments.update(each for one in changes for each in one.environments if each is not None)
        renderer = noted.renderer or changes[0].renderer
        changes.sort(key=lambda each: each.renderer != renderer)  # what was asked for, before what changes with it
        why = f"somebody else has to approve it: line {line.line} of the policy ({line})"
        if why_not_propose is not None:
            raise DeniedError(f"{why}, and {why_not_propose}")
        operations = _operations(renderer, changes, noted.operations)
        raise ApprovalWantedError(
            renderer,
            why,
            [asdict(each) for each in operations],
            [each.as_json(whole=each.renderer == renderer) for each in changes],
        )

    return review


def _wanted(approvals: Approvals, change: Changed) -> Approval | None:
    return next(filter(None, (approvals.wanted(change.renderer, each) for each in change.environments)), None)


def _operations(renderer: str, changes: Sequence[Changed], written: Sequence[Operation]) -> list[Operation]:
    """What to ask for again: of configurations as the table has it, of others as it was asked for, since a table's own
    triggers and defaults make more of it. What has changed nothing is left out.
    """
    its = {each.key: each for each in changes if each.renderer == renderer}
    if renderer != APP_CONFIGS:
        return [
            Operation(each.action, each.key, its[each.key].generation if each.key else None, each.values)
            for each in written
            if each.key is None or each.key in its
        ]
    return [_of_configuration(each) for each in its.values()]


def _of_configuration(change: Changed) -> Operation:
    before, after = change.row_before, change.row_after
    if before is None:
        return Operation("create", None, None, {name: (after or {}).get(name) for name in CONTENT})
    if after is None:
        return Operation("delete", change.key, change.generation)
    values = {name: after[name] for name in CONTENT if before.get(name) != after.get(name)}
    return Operation("update", change.key, change.generation, values)


def _configurations(connection: Connection, numbers: Sequence[int]) -> Iterator[Changed]:
    if not numbers:
        return
    query = select(history).where(history.c.id.in_(numbers)).order_by(history.c.id)
    entries: dict[int, list[RowMapping]] = {}
    for entry in connection.execute(query).mappings():
        entries.setdefault(entry["row_id"], []).append(entry)
    for row_id, its in entries.items():
        before, after = its[0]["before"], its[-1]["after"]
        sides = [side for side in (before, after) if side is not None]
        if sides:
            generation = None if before is None else int(before["generation"])
            places = tuple(dict.fromkeys(side["environment"] for side in sides))
            name, made = sides[-1]["name"], its[-1]["generation"]
            yield Changed(APP_CONFIGS, str(row_id), made, generation, before, after, name, places)


def _rows(connection: Connection, found: Sequence[tuple[str, str, int]]) -> Iterator[Changed]:
    if not found:
        return
    first: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], int] = {}
    for renderer, key, generation in found:
        first[renderer, key] = min(generation, first.get((renderer, key), generation))
        last[renderer, key] = max(generation, last.get((renderer, key), generation))
    past = row_history.c
    query = select(row_history).where(tuple_(past.renderer, past.key).in_(list(first)))
    kept: dict[tuple[str, str], list[RowMapping]] = {}
    for entry in connection.execute(query.order_by(past.generation)).mappings():
        kept.setdefault((entry["renderer"], entry["key"]), []).append(entry)
    declared: dict[tuple[str, int], NameOf] = {}
    places = Environments(connection)
    for row, its in kept.items():
        earlier = [entry for entry in its if entry["generation"] < first[row]]
        before = earlier[-1] if earlier and not earlier[-1]["deleted"] else None
        after = next(entry for entry in its if entry["generation"] == last[row])
        sides = [side for side in (before, None if after["deleted"] else after) if side is not None]
        if sides:
            yield Changed(
                *row,
                last[row],
                None if before is None else before["generation"],
                None if before is None else before["row"],
                None if after["deleted"] else after["row"],
                _name_of(connection, declared, sides[-1])(sides[-1]["row"]),
                tuple(dict.fromkeys(places.of(sides))),
            )


def _name_of(connection: Connection, declared: dict[tuple[str, int], NameOf], side: RowMapping) -> NameOf:
    place = (side["renderer"], side["revision"])
    if place not in declared:
        declared[place] = _name_by(revisions.revision(connection, *place))
    return declared[place]


def _name_by(found: RowMapping | None) -> NameOf:
    if found is None:
        return lambda _row: None
    shape = shape_of(found["shape"])
    try:
        renderer = read_renderer(found["text"], shape)
    except ProblemsError:
        return lambda _row: None
    return RowFilters(renderer, shape, []).name


def made(changes: Sequence[Changed]) -> list[str]:
    """Each row with the generation that it has got, as a proposal keeps it."""
    return [f"{each.renderer}/{each.key}@{each.made}" for each in changes]
