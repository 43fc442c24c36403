"""Many configurations by their names: what each line of an import does to the table, and doing it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Engine, RowMapping, select

from rowcast.crud.database.connections import changing, reading
from rowcast.crud.database.tables import app_configs
from rowcast.crud.rows import repository
from rowcast.crud.rows.usecases import differs, merged

Action = Literal["create", "change", "none", "refuse"]
Finding = Mapping[str, Any]
"""`{field, rule, message}`."""


@dataclass(frozen=True)
class Given:
    """One line as it came: the fields that it names, what a new row would be (None if invalid), and why not."""

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    whole: Mapping[str, str] | None = None
    errors: Sequence[Finding] = ()


Permit = Callable[[Given, RowMapping | None], Finding | None]
"""What a line is refused for to who asks, by the row that has its name."""


@dataclass(frozen=True)
class Line:
    """What becomes of one line; `fields` has before and after of what differs."""

    index: int
    name: str
    action: Action
    row_id: int | None = None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    errors: Sequence[Finding] = ()


class ImportRefusedError(Exception):
    """Nothing was changed, since some lines are refused."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__("some rows are refused; nothing was changed")
        self.lines = lines


def _everything(_given: Given, _row: RowMapping | None) -> Finding | None:
    return None


def judge(engine: Engine, given: Sequence[Given], permit: Permit = _everything) -> list[Line]:
    """What an import would do now. Raises TransientError."""
    with reading(engine) as connection:
        return _lines(given, _by_name(connection, given), permit)


def execute(
    engine: Engine, actor: str, given: Sequence[Given], partial: bool, permit: Permit = _everything
) -> list[Line]:
    """Do it, in one transaction; `partial` leaves out what is refused.

    Raises ImportRefusedError, TransientError, and NameTakenError when somebody else takes a name meanwhile.
    """
    with changing(engine, actor) as connection:
        rows = _by_name(connection, given, lock=True)
        lines = _lines(given, rows, permit)
        if not partial and any(line.action == "refuse" for line in lines):
            raise ImportRefusedError(lines)
        changes = [line for line in lines if line.action == "change"]
        if changes:
            wanted = {rows[line.name]["id"]: merged(rows[line.name], given[line.index].fields) for line in changes}
            repository.update_many(connection, wanted)
        return _created(connection, given, lines)


def _created(connection: Connection, given: Sequence[Given], lines: Sequence[Line]) -> list[Line]:
    new = [given[line.index].whole or {} for line in lines if line.action == "create"]
    ids = iter([row["id"] for row in repository.create_many(connection, new)] if new else ())
    return [
        Line(line.index, line.name, line.action, next(ids), line.fields) if line.action == "create" else line
        for line in lines
    ]


def _by_name(connection: Connection, given: Sequence[Given], lock: bool = False) -> dict[str, RowMapping]:
    names = [one.name for one in given if not one.errors]
    query = select(app_configs).where(app_configs.c.name.in_(names)).order_by(app_configs.c.id)
    found = connection.execute(query.with_for_update() if lock else query).mappings()
    return {row["name"]: row for row in found}


def _lines(given: Sequence[Given], rows: Mapping[str, RowMapping], permit: Permit) -> list[Line]:
    first: dict[str, int] = {}
    lines = []
    for index, one in enumerate(given):
        seen = first.setdefault(one.name, index) if not one.errors else index
        if seen != index:
            message = f"is the name of row {seen} of this import, too"
            lines.append(_refused(index, one, [{"field": "name", "rule": "duplicate", "message": message}]))
        else:
            lines.append(_line(index, one, rows.get(one.name), permit))
    return lines


def _line(index: int, one: Given, row: RowMapping | None, permit: Permit) -> Line:
    if one.errors or one.whole is None:
        return _refused(index, one, one.errors)
    refused = permit(one, row)
    if refused is not None:
        return _refused(index, one, [refused])
    if row is None:
        made = {name: (None, value) for name, value in one.whole.items() if value is not None}
        return Line(index, one.name, "create", None, made)
    wanted = merged(row, one.fields)
    changed = {name: (row[name], value) for name, value in wanted.items() if row[name] != value}
    return Line(index, one.name, "change" if differs(row, wanted) else "none", row["id"], changed)


def _refused(index: int, one: Given, errors: Sequence[Finding]) -> Line:
    return Line(index, one.name, "refuse", errors=errors)
