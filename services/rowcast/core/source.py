"""What of a table is captured: its key, its columns, and the related rows that go with each row. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class TableName:
    """A table by schema and name, both as the catalogue has them (unquoted)."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Related:
    """Rows of another table that belong to a row: those whose columns `on` equal the row's columns that they map to.

    They stand in the captured row as a list of objects of `columns`, in the order of the related table's key.
    """

    table: TableName
    on: Mapping[str, str]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A renderer's table. `related` is by the name under which the related rows stand in the captured row.

    `edit`: the API may change the table's rows.
    """

    renderer: str
    table: TableName
    key: tuple[str, ...]
    exclude: frozenset[str] = frozenset()
    related: Mapping[str, Related] = field(default_factory=dict)
    edit: bool = False
