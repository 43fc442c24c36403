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
from rowcast.crud.database.audit import NOTED
from rowcast.crud.database.connections import changing, reading
from rowcast.crud.database.tables import rows
from rowcast.crud.errors import BatchError, ConflictError, FieldError, ForbiddenError, ItemError, MissingError
from rowcast.crud.renderers.refusals import Texts, refusal
from rowcast.crud.renderers.rows import get
from rowcast.crud.renderers.tables import SourceTable, source_table
from rowcast.crud.renderers.values import as_text
from rowcast.crud.sources.catalogue import Column, Constraint, read_constraints
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


def edit(engine: Engine, actor: str, renderer: str, work: Callable[["Editor"], T]) -> T:
    """One transaction of a renderer's table, in the name of `actor`. Raises MissingError if there is no such renderer,
    ForbiddenError if its table may not be changed, and TransientError; what `work` raises undoes all of it.
    """
    with reading(engine) as connection:
        table = source_table(connection, renderer)
        if table.why is not None or table.source is None or table.table is None:
            raise ForbiddenError("grant" if table.ungranted else "not-editable", table.why or "")
        constraints = read_constraints(connection, table.source.table)
    # The catalogue was read without a search_path, which triggers of the table's owner may need.
    with changing(engine, actor) as connection:
        editor = Editor(connection, table, constraints)
        if (noted := NOTED.get()) is not None:
            noted.operations = editor.operations
        result = work(editor)
        editor.settle()
        return result


class Editor:
    """Rows of one table, within a transaction. A change that is refused leaves the transaction as it was before."""

    def __init__(self, connection: Connection, table: SourceTable, constraints: Mapping[str, Constraint]) -> None:
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
        """The captured rows of these keys, those that are there: nobody else changes them until the transaction ends.

        First the table's own rows and then the captured ones, as every other writer does, each in the order of keys.
        """
        mine = (rows.c.renderer == self.renderer) & rows.c.key.in_(keys) & ~rows.c.deleted
        there = set(self.connection.execute(sa.select(rows.c.key).where(mine)).scalars())
        for key in sorted(there):
            query = sa.select(self._key()).where(*self._is(key)).with_for_update()
            self.connection.execute(self._read(query))
        captured = sa.select(rows).where(mine).order_by(rows.c.key).with_for_update()
        return {row["key"]: row for row in self.connection.execute(captured).mappings()}

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
        """The new row as captured. Raises FieldError, ForbiddenError."""
        texts = self._texts(values)
        made = self._written(sa.insert(self._table).values(self._by_column(texts)), texts)
        self.operations.append(Operation("create", values=values))
        return made

    def update(self, key: str, values: Mapping[str, Any]) -> RowMapping:
        """A row that is locked, changed; one whose key is changed is another row. Raises as `create` does."""
        texts = self._texts(values)
        if not texts:
            return self._captured(key)
        statement = sa.update(self._table).where(*self._is(key)).values(self._by_column(texts))
        made = self._written(self._of_its_own(statement), texts)
        self.operations.append(Operation("update", key, values=values))
        return made

    def delete(self, key: str) -> None:
        """A row that is locked. Raises as `create` does."""
        statement = sa.delete(self._table).where(*self._is(key))
        if self._execute(self._of_its_own(statement), {}).rowcount == 0:
            raise self._kept_out()
        self.operations.append(Operation("delete", key))

    def settle(self) -> None:
        """What the database looks at only at the end, it looks at now. Raises as `create` does."""
        self._execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"), {})

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
        return self._captured(written)

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

    Raises BatchError with every row that is missing, stale or there twice, or else with the first that is refused.
    """
    named = [each.key for each in operations if each.key is not None and "\x00" not in each.key]
    rows_there = editor.locked(named)
    errors = list(filter(None, (_outdated(index, operations, rows_there) for index in range(len(operations)))))
    if errors:
        raise BatchError(errors)
    return [_applied(editor, index, each) for index, each in enumerate(operations)]


def _applied(editor: Editor, index: int, operation: Operation) -> RowMapping | None:
    try:
        match operation.action:
            case "create":
                return editor.create(operation.values)
            case "update":
                return editor.update(operation.key or "", operation.values)
            case "delete":
                editor.delete(operation.key or "")
                return None
    except FieldError as error:
        raise BatchError([ItemError(index, error.field, error.rule, str(error))]) from error


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
