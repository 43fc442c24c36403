"""A table as PostgreSQL's catalogues have it (the manual's pages pg_class, pg_attribute, pg_type, pg_index)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from rowcast.core import shapes
from rowcast.core.source import TableName

_TABLE = text("""
SELECT class.oid, class.relkind, class.relispartition, pg_get_userbyid(class.relowner) AS owner,
    has_table_privilege(class.oid, 'SELECT') AS may_read, has_table_privilege(class.oid, 'TRIGGER') AS may_trigger,
    EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = class.oid) AS subscribed,
    ARRAY(SELECT CAST(CAST(child.oid AS regclass) AS text)
        FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
        WHERE inhparent = class.oid AND NOT child.relispartition AND NOT EXISTS (
            SELECT FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
            WHERE tgrelid = child.oid AND pronamespace = to_regnamespace('rowcast'))
        ORDER BY 1) AS heirs
FROM pg_class AS class JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE namespace.nspname = :schema AND class.relname = :name
""")
# A domain is what it rests on, however deep; an array what is in it.
_COLUMNS = text("""
WITH RECURSIVE resolved (attnum, oid, typmod, required) AS (
    SELECT attnum, atttypid, atttypmod, attnotnull FROM pg_attribute
    WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT resolved.attnum, type.typbasetype, type.typtypmod, resolved.required OR type.typnotnull FROM resolved
    JOIN pg_type AS type ON type.oid = resolved.oid WHERE type.typtype = 'd'
)
SELECT attribute.attname AS name, format_type(attribute.atttypid, attribute.atttypmod) AS declared,
    format_type(base.oid, resolved.typmod) AS base, base.typtype AS kind,
    CASE WHEN base.typtype = 'c' THEN 'record' ELSE base.typname END AS type, element.typtype AS element_kind,
    CASE WHEN element.typtype = 'c' THEN 'record' ELSE element.typname END AS element,
    resolved.required AS required, attribute.attgenerated <> '' OR attribute.attidentity = 'a' AS generated,
    attribute.attidentity <> '' OR attribute.atthasdef AS defaulted,
    ARRAY(SELECT CAST(enumlabel AS text) FROM pg_enum WHERE enumtypid = base.oid ORDER BY enumsortorder) AS labels
FROM resolved
JOIN pg_type AS base ON base.oid = resolved.oid AND base.typtype <> 'd'
JOIN pg_attribute AS attribute ON attribute.attrelid = :oid AND attribute.attnum = resolved.attnum
LEFT JOIN pg_type AS element ON element.oid = base.typelem AND base.typcategory = 'A'
ORDER BY attribute.attnum
""")
_UNIQUE = text("""
SELECT indisprimary AS is_primary, ARRAY(
    SELECT CAST(attname AS text) FROM unnest(indkey) WITH ORDINALITY AS part (attnum, place)
    JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = part.attnum
    WHERE place <= indnkeyatts ORDER BY place) AS columns
FROM pg_index
WHERE indrelid = :oid AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
ORDER BY indisprimary DESC, indexrelid
""")
_FOREIGN = text("""
SELECT (SELECT nspname FROM pg_namespace WHERE oid = referenced.relnamespace) AS schema, referenced.relname AS name,
    ARRAY(SELECT CAST(attname AS text) FROM unnest(conkey) WITH ORDINALITY AS part (attnum, place)
        JOIN pg_attribute ON attrelid = conrelid AND pg_attribute.attnum = part.attnum ORDER BY place) AS columns,
    ARRAY(SELECT CAST(attname AS text) FROM unnest(confkey) WITH ORDINALITY AS part (attnum, place)
        JOIN pg_attribute ON attrelid = confrelid AND pg_attribute.attnum = part.attnum ORDER BY place) AS referenced
FROM pg_constraint JOIN pg_class AS referenced ON referenced.oid = confrelid
WHERE conrelid = :oid AND contype = 'f' ORDER BY conname
""")


_CONSTRAINTS = text("""
SELECT conname AS name, pg_get_constraintdef(oid) AS definition, ARRAY(
    SELECT CAST(attname AS text) FROM unnest(conkey) WITH ORDINALITY AS part (attnum, place)
    JOIN pg_attribute ON attrelid = conrelid AND pg_attribute.attnum = part.attnum ORDER BY place) AS columns
FROM pg_constraint WHERE conrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text)))
UNION ALL
SELECT relname, pg_get_indexdef(indexrelid), ARRAY(
    SELECT CAST(attname AS text) FROM unnest(indkey) WITH ORDINALITY AS part (attnum, place)
    JOIN pg_attribute ON attrelid = indrelid AND pg_attribute.attnum = part.attnum ORDER BY place)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indisunique AND indrelid = to_regclass(format('%I.%I', CAST(:schema AS text), CAST(:name AS text)))
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND conrelid = indrelid)
""")


@dataclass(frozen=True)
class Constraint:
    """A rule of a table's, or a unique index: which columns it is about, and how SQL has it."""

    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True)
class Column:
    """`type` is the base type's name (a domain is what it rests on), `record` for composite ones; `element` that of an
    array's elements.

    `declared` is the type as one would write it, `base` that of what it rests on; `labels` are an enum's. `generated`:
    nobody writes it but the database.
    """

    name: str
    declared: str
    type: str
    element: str | None
    required: bool
    generated: bool
    defaulted: bool
    base: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    """`columns` refer to `referenced` of another table, in this order."""

    table: TableName
    columns: tuple[str, ...]
    referenced: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """`kind` as pg_class has it: `r` a table, `p` a partitioned one, `v` a view, `f` a foreign table."""

    name: TableName
    kind: str
    owner: str
    columns: Mapping[str, Column]
    unique: Sequence[tuple[str, ...]]
    """The columns of each unique index that holds for all rows, the primary key's first."""
    foreign_keys: Sequence[ForeignKey]
    may_read: bool
    may_trigger: bool
    partition: bool
    heirs: tuple[str, ...]
    """Tables that inherit from it and that nothing captures: a query of this one has their rows, too."""
    subscribed: bool
    """Whether PostgreSQL's own logical replication writes it."""

    @property
    def key(self) -> tuple[str, ...] | None:
        """The primary key, or else the first unique index whose columns are never NULL."""
        return next(iter(self.keys), None)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Every set of columns that names one row: unique, never NULL."""
        return tuple(columns for columns in self.unique if all(self.columns[each].required for each in columns))

    def shape(self) -> shapes.TableShape:
        """What a declaration is checked against."""
        columns = {
            name: shapes.Column(name, shapes.expression_type(each.type, each.element), not each.required)
            for name, each in self.columns.items()
        }
        return shapes.TableShape(columns, self.keys)


def read_constraints(connection: Connection, name: TableName) -> Mapping[str, Constraint]:
    """Those of a table, by their names."""
    found = connection.execute(_CONSTRAINTS, {"schema": name.schema, "name": name.name}).mappings()
    return {row["name"]: Constraint(tuple(row["columns"]), row["definition"]) for row in found}


def read_table(connection: Connection, name: TableName) -> Table | None:
    """The table, or None if there is none of the name."""
    # format_type leaves out the schemas of search_path, and what captures a table has none but pg_catalog.
    connection.execute(text("SET LOCAL search_path = pg_catalog"))
    place = connection.execute(_TABLE, {"schema": name.schema, "name": name.name}).mappings().one_or_none()
    if place is None:
        return None
    oid = {"oid": place["oid"]}
    columns = (
        Column(
            row["name"],
            row["declared"],
            row["type"],
            row["element"],
            row["required"],
            row["generated"],
            row["defaulted"],
            row["base"],
            tuple(row["labels"]),
        )
        for row in connection.execute(_COLUMNS, oid).mappings()
    )
    return Table(
        name,
        place["relkind"],
        place["owner"],
        {column.name: column for column in columns},
        [tuple(row["columns"]) for row in connection.execute(_UNIQUE, oid).mappings()],
        [
            ForeignKey(TableName(row["schema"], row["name"]), tuple(row["columns"]), tuple(row["referenced"]))
            for row in connection.execute(_FOREIGN, oid).mappings()
        ],
        place["may_read"],
        place["may_trigger"],
        place["relispartition"],
        tuple(place["heirs"]),
        place["subscribed"],
    )


def read_shape(connection: Connection, name: TableName) -> shapes.TableShape | None:
    """What a declaration is checked against, of the table; None if there is none of the name."""
    found = read_table(connection, name)
    return found.shape() if found else None
