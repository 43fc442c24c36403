"""Changes of a renderer's table: written to the table itself, whose triggers capture them in the same transaction."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, RowMapping
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import quoted_name

from rowcast.core.row import RowKey
from rowcast.crud.access.callers import Caller
from rowcast.crud.database.audit import NOTED
from rowcast.crud.database.connections import changing, reading
from rowcast.crud.database.tables import rows
from rowcast.crud.errors import (
    BatchError,
    ConflictError,
    DeniedError,
    FieldError,
    ForbiddenError,
    ItemError,
    MissingError,
)
from rowcast.crud.renderers.refusals import Texts, refusal
from rowcast.crud.renderers.rows import get
from rowcast.crud.renderers.tables import SourceTable, source_table
from rowcast.crud.renderers.values import as_text
from rowcast.crud.sources.catalogue import Column, Constraint, read_constraints
from rowcast.crud.sources.environments import Environments, keep_environments
from rowcast.crud.sources.triggers import SESSION

Expect = Callable[[RowMapping], None]
"""Gets a row as it is, locked, and raises if the caller meant another one."""
Action = Literal["create", "update", "delete"]
T = TypeVar("T")


@dataclass(frozen=True)
class Operation:
    """One of a batch. A key is for a row that is there; `generation`, if given, is what it must be at."""

    action: Action
    key: str | None = None
    generation: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Permit:
    """What somebody may do with a renderer's rows, by the environment that these are in; None is one not known.

    `act`, if given, is the right that all changes take, as a resource and a verb.
    """

    asking: Caller
    renderer: str
    act: tuple[str, str] | None = None

    def sees(self, environment: str | None) -> bool:
        """Whether the rows of an environment are there for them."""
        return self.asking.sees(environment, self.renderer)

    def why_not(self, verb: Literal["edit", "delete"], environment: str | None) -> str | None:
        """Why a change is refused; None if it is allowed."""
        resource, act = self.act or ("rows", verb)
        return self.asking.why_not(resource, act, self.renderer, environment)


def edit(engine: Engine, actor: str, permit: Permit, work: Callable[["Editor"], T]) -> T:
    """One transaction of a renderer's table, in the name of `actor`. Raises MissingError if there is no such renderer,
    ForbiddenError if its table may not be changed, and TransientError; what `work` raises undoes all of it.
    """
    renderer = permit.renderer
    with reading(engine) as connection:
        table = source_table(connection, renderer)
        if table.why is not None or table.source is None or table.table is None:
            raise ForbiddenError("grant" if table.ungranted else "not-editable", table.why or "")
        constraints = read_constraints(connection, table.source.table)
    # The catalogue was read without a search_path, which triggers of the table's owner may need.
    with changing(engine, actor) as connection:
        editor = Editor(connection, table, constraints, permit)
        if (noted := NOTED.get()) is not None:
            noted.operations = editor.operations
        result = work(editor)
        editor.settle()
        return result


class Editor:
    """Rows of one table, within a transaction. A change that the database refuses leaves that as it was before.

    A row that isn't there for who asks is not there. A change needs the environment of before, and the one of after: of
    the row as it is captured then, whatever defaults and triggers have made of it.
    """

    def __init__(
        self, connection: Connection, table: SourceTable, constraints: Mapping[str, Constraint], permit: Permit
    ) -> None:
        if table.source is None or table.table is None:
            raise AssertionError("an editable table is there")
        self.connection = connection
        self.operations: list[Operation] = []
        """All that was written, for who reviews the transaction."""
        self.renderer = table.renderer
        self.key_columns = table.source.key
        self.columns = table.columns
        self._excluded = table.source.exclude
        self._every_column = table.table.columns
        self._constraints = constraints
        self._permit = permit
        self._environments = Environments(connection)
        self._before: dict[str, str | None] = {}
        self._changed: set[str] = set()
        name = table.source.table
        self._table = sa.Table(
            quoted_name(name.name, True),
            sa.MetaData(),
            *(sa.Column(quoted_name(column, True), sa.types.NullType()) for column in table.table.columns),
            schema=quoted_name(name.schema, True),
        )
        # Of a table that others inherit from its own rows; of a partitioned one, which has none, all.
        self._only = table.table.kind != "p"
        for setting in SESSION[1:]:
            connection.exec_driver_sql(f"SET LOCAL {setting}")

    def locked(self, keys: Sequence[str]) -> dict[str, RowMapping]:
        """The captured rows of these keys, those that are there for who asks: nobody else changes any of them until the
        transaction ends.

        First the table's own rows and then the captured ones, as every other writer does, each in the order of keys.
        """
        mine = (rows.c.renderer == self.renderer) & rows.c.key.in_(keys) & ~rows.c.deleted
        there = set(self.connection.execute(sa.select(rows.c.key).where(mine)).scalars())
        for key in sorted(there):
            query = sa.select(self._key()).where(*self._is(key)).with_for_update()
            self.connection.execute(self._read(query))
        captured = sa.select(rows).where(mine).order_by(rows.c.key).with_for_update()
        found = self.connection.execute(captured).mappings().all()
        both = zip(found, self._environments.of(found), strict=True)
        visible = [(row, environment) for row, environment in both if self._permit.sees(environment)]
        self._before |= {row["key"]: environment for row, environment in visible}
        return {row["key"]: row for row, _ in visible}

    def why_not(self, verb: Literal["edit", "delete"], key: str) -> str | None:
        """Why a row that is locked may not be changed by who asks; None if it may."""
        return self._permit.why_not(verb, self._before.get(key))

    def there(self, key: str, expect: Expect) -> RowMapping:
        """One of them. Raises MissingError, and what `expect` raises."""
        row = None if "\x00" in key else self.locked([key]).get(key)
        if row is None:
            raise MissingError(f"renderer {self.renderer} has no row {key}")
        expect(row)
        return row

    def key_of(self, values: Mapping[str, Any]) -> str | None:
        """The key of the row that has these, if there is one. Raises FieldError."""
        if any(values.get(name) is None for name in self.key_columns):
            return None
        texts = {name: as_text(self._every_column[name], values[name]) for name in self.key_columns}
        query: sa.Select[Any] = sa.select(self._key()).where(
            *(self._table.c[name] == text for name, text in texts.items())
        )
        found: str | None = self._execute(self._read(query), texts).scalar_one_or_none()
        return found

    def create(self, values: Mapping[str, Any]) -> RowMapping:
        """The new row as captured. Raises FieldError, ForbiddenError; DeniedError, of a row that is written then."""
        texts = self._texts(values)
        made = self._written(sa.insert(self._table).values(self._by_column(texts)), texts)
        self.operations.append(Operation("create", values=values))
        return made

    def update(self, key: str, values: Mapping[str, Any]) -> RowMapping:
        """A row that is locked, changed; one whose key is changed is another row. Raises as `create` does."""
        _refuse(self.why_not("edit", key))
        texts = self._texts(values)
        if not texts:
            return self._captured(key)
        statement = sa.update(self._table).where(*self._is(key)).values(self._by_column(texts))
        made = self._written(self._of_its_own(statement), texts)
        self.operations.append(Operation("update", key, values=values))
        return made

    def delete(self, key: str) -> None:
        """A row that is locked. Raises as `create` does."""
        _refuse(self.why_not("delete", key))
        statement = sa.delete(self._table).where(*self._is(key))
        if self._execute(self._of_its_own(statement), {}).rowcount == 0:
            raise self._kept_out()
        self._changed.add(key)
        self.operations.append(Operation("delete", key))

    def settle(self) -> None:
        """What the database looks at only at the end, it looks at now, and so do we: triggers may have moved a row on.
        Raises as `create` does.
        """
        self._execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"), {})
        if not self._changed:
            return
        its = (rows.c.renderer == self.renderer) & rows.c.key.in_(self._changed)
        changed = self.connection.execute(sa.select(rows).where(its)).mappings().all()
        where = self._environments.of(changed)
        for row, environment in zip(changed, where, strict=True):
            if not row["deleted"]:
                _refuse(self._permit.why_not("edit", environment))
        keep_environments(self.connection, changed, where)

    def _key(self) -> sa.ColumnElement[str]:
        """As the triggers write it: the text of one column, or of several as a JSON array."""
        columns = [sa.cast(self._table.c[name], sa.Text) for name in self.key_columns]
        return columns[0] if len(columns) == 1 else sa.cast(sa.func.jsonb_build_array(*columns), sa.Text)

    def _read(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query.with_hint(self._table, "ONLY") if self._only else query

    def _of_its_own(self, statement: Any) -> Any:
        return statement.with_hint("ONLY") if self._only else statement

    def _written(self, statement: Any, texts: Texts) -> RowMapping:
        written = self._execute(statement.returning(self._key()), texts).scalar_one_or_none()
        if written is None:
            raise self._kept_out()
        row = self._captured(written)
        _refuse(self._permit.why_not("edit", self._environments.of([row])[0]))
        self._changed.add(written)
        return row

    def _captured(self, key: str) -> RowMapping:
        row = get(self.connection, RowKey(self.renderer, key))
        if row is None or row["deleted"]:
            raise ConflictError("row", "not-captured", "the table's triggers of Rowcast have not captured it")
        return row

    def _kept_out(self) -> ConflictError:
        return ConflictError("row", "trigger", "a trigger of the table's owner kept the change from being made")

    def _execute(self, statement: Any, texts: Texts) -> Any:
        try:
            with self.connection.begin_nested():
                return self.connection.execute(statement)
        except DBAPIError as error:
            refused = refusal(error, self.connection, self._every_column, self._constraints, texts)
            if refused is None:
                raise
            raise refused from error

    def _is(self, key: str) -> list[Any]:
        texts = [key] if len(self.key_columns) == 1 else json.loads(key)
        return [self._table.c[name] == text for name, text in zip(self.key_columns, texts, strict=True)]

    def _by_column(self, texts: Texts) -> dict[Any, str | None]:
        return {self._table.c[name]: text for name, text in texts.items()}

    def _texts(self, values: Mapping[str, Any]) -> dict[str, str | None]:
        return {name: as_text(self._writable(name), value) for name, value in values.items()}

    def _writable(self, name: str) -> Column:
        column = self._every_column.get(name)
        if column is None:
            raise FieldError(name, "unknown-field", "is no column of the table")
        if name in self._excluded:
            raise FieldError(name, "excluded", "is in spec.source.exclude, and is not to be changed here")
        if column.generated:
            raise FieldError(name, "generated", "is written by the database alone")
        return column


def apply_batch(editor: Editor, operations: Sequence[Operation]) -> list[RowMapping | None]:
    """The rows as they are afterwards, in the order of the operations, None for a deleted one.

    Raises BatchError with every row that is missing, stale, there twice or not allowed to who asks, or else with the
    first that the database refuses.
    """
    named = [each.key for each in operations if each.key is not None and "\x00" not in each.key]
    rows_there = editor.locked(named)
    errors = list(filter(None, (_refused(editor, index, operations, rows_there) for index in range(len(operations)))))
    if errors:
        raise BatchError(errors)
    made: list[RowMapping | None] = []
    for index, each in enumerate(operations):
        try:
            made.append(_applied(editor, each))
        except FieldError as error:
            raise BatchError([ItemError(index, error.field, error.rule, str(error))]) from error
        except DeniedError as error:
            errors.append(ItemError(index, "environment", error.rule, str(error)))
    if errors:
        raise BatchError(errors)
    return made


def _applied(editor: Editor, operation: Operation) -> RowMapping | None:
    match operation.action:
        case "create":
            return editor.create(operation.values)
        case "update":
            return editor.update(operation.key or "", operation.values)
        case "delete":
            editor.delete(operation.key or "")
            return None


def _refuse(why: str | None) -> None:
    if why is not None:
        raise DeniedError(why)


def _refused(
    editor: Editor, index: int, operations: Sequence[Operation], there: Mapping[str, RowMapping]
) -> ItemError | None:
    outdated = _outdated(index, operations, there)
    key = operations[index].key
    if key is None or (outdated is not None and outdated.rule == "not-found"):
        return outdated
    why = editor.why_not("delete" if operations[index].action == "delete" else "edit", key)
    return outdated if why is None else ItemError(index, "environment", "policy", why)


def _outdated(index: int, operations: Sequence[Operation], there: Mapping[str, RowMapping]) -> ItemError | None:
    operation = operations[index]
    if operation.key is None:
        return None
    first = next(place for place, each in enumerate(operations) if each.key == operation.key)
    if first != index:
        return ItemError(index, "key", "duplicate", f"is the same row as in operation {first}")
    row = there.get(operation.key)
    if row is None:
        return ItemError(index, "key", "not-found", f"there is no row {operation.key}")
    if operation.generation not in (None, row["generation"]):
        return ItemError(index, "generation", "generation", f"is {row['generation']} now, not {operation.generation}")
    return None
