"""The SQL that keeps `rowcast.rows` equal to a table: functions and triggers, as text. Pure.

Of each renderer there are, in schema `rowcast`:

- `NAME/refresh(keys)`: reads those keys again and writes what has changed, each change a new generation. It is the only
  one that writes. It reads the table rather than what a trigger was handed: a statement within a statement may have
  changed the row once more, and the outer one's trigger comes last. A new key begins above the floor, the highest
  generation of tombstones that are gone: any snapshot has the floor or the tombstone (migration 0016);
- `NAME/source()` and `NAME/with/RELATED()`: the triggers' functions, which say which keys to refresh;
- `NAME/compare()`: refreshes whatever differs, which is also how the rows get there in the beginning.

No function depends on the table, so that its owner may drop it. What a writer sees of all this is time. A table that
was changed so that it can't be captured any more takes writes as before, and so does one with a row that can't be: the
fault is noted in `rowcast.sources`, and `compare` catches up once it is mended.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rowcast.core.row import KEY_MAX
from rowcast.core.source import Related, Source, TableName
from rowcast.crud.sources.catalogue import Column, Table

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS rowcast;
CREATE TABLE IF NOT EXISTS rowcast.sources (
    renderer text PRIMARY KEY,
    revision bigint NOT NULL,
    fault text,
    fault_at timestamptz
);
CREATE TABLE IF NOT EXISTS rowcast.rows (
    renderer text NOT NULL,
    key text NOT NULL,
    generation bigint NOT NULL,
    revision bigint NOT NULL,
    deleted boolean NOT NULL,
    row jsonb NOT NULL,
    actor text,
    actor_verified boolean NOT NULL DEFAULT false,
    traceparent text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (renderer, key)
);
CREATE TABLE IF NOT EXISTS rowcast.floors (renderer text PRIMARY KEY, generation bigint NOT NULL);
GRANT SELECT ON rowcast.floors TO PUBLIC;
ALTER TABLE rowcast.rows REPLICA IDENTITY FULL;
"""
SAFE_INTEGER = 2**53 - 1
"""The largest number that every reader of JSON keeps as it is (RFC 8259, section 6)."""

# What a text of a value looks like must not depend on the session that writes the row.
SESSION = (
    "search_path = pg_catalog, pg_temp",
    "timezone = 'UTC'",
    "datestyle = 'ISO, MDY'",
    "intervalstyle = 'iso_8601'",
    "bytea_output = 'hex'",
    "extra_float_digits = 1",
    "xmlbinary = 'base64'",
)
_SESSION = "\n".join(f"SET {setting}" for setting in SESSION)
_FAULTS = " OR ".join(
    (
        # A column or a table is gone, or is of another type than it was: the table's owner has changed it.
        *("undefined_column", "undefined_table", "undefined_function", "undefined_object", "datatype_mismatch"),
        # A json that no jsonb can be: with a NUL, half a surrogate pair, a number beyond all measure.
        *("untranslatable_character", "invalid_text_representation", "numeric_value_out_of_range"),
        "program_limit_exceeded",
    )
)
KEY_BYTES = 2600
"""Bytes of a key that an index of PostgreSQL's takes beside a renderer's name (2,704 for all of an entry)."""
# As public.rowcast_actor_verified says it of configurations: only who keeps crud's bookkeeping, which is crud.
_VERIFIED = """coalesce(current_setting('rowcast.actor_verified', true) = 'on'
        AND has_table_privilege(session_user, to_regclass('public.sync_statuses'), 'INSERT'), false)"""
_LONG_KEY = f"a row is not captured: its key has more than {KEY_MAX} characters, or {KEY_BYTES} bytes"
_EVENTS = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
_EVENTS["UPDATE"] = f"{_EVENTS['DELETE']} {_EVENTS['INSERT']}"


def identifier(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it, with `standard_conforming_strings`."""
    return "'" + text.replace("'", "''") + "'"


def qualified(table: TableName) -> str:
    """A table's name as SQL has it."""
    return f"{identifier(table.schema)}.{identifier(table.name)}"


@dataclass(frozen=True)
class Function:
    """A function of schema `rowcast`: its name there, its arguments as SQL has them, and its body."""

    name: str
    arguments: str
    returns: str
    body: str

    def statement(self) -> str:
        """Makes it, or makes it anew."""
        return (
            f"CREATE OR REPLACE FUNCTION rowcast.{identifier(self.name)}({self.arguments}) RETURNS {self.returns}\n"
            f"LANGUAGE plpgsql SECURITY DEFINER\n{_SESSION}\nAS $rowcast${self.body}$rowcast$"
        )


@dataclass(frozen=True)
class Trigger:
    """A trigger of a table; `statement` makes it, in the words and the order of `pg_get_triggerdef`."""

    name: str
    table: TableName
    statement: str


@dataclass(frozen=True)
class Capture:
    """A source with what the catalogue says of its tables; `related` by the same names as the source's.

    `owned`: whoever installs owns the tables. Only an owner may make a trigger fire always, also for who sets
    `session_replication_role`; without, such a writer bypasses it, and `compare` finds what has changed.
    """

    source: Source
    table: Table
    related: Mapping[str, Table] = field(default_factory=dict)
    owned: bool = True

    def install(self) -> list[str]:
        """The statements that make, or make anew, what captures the table. They change no row."""
        return [
            removal(self.source.renderer, self.functions()),
            *(function.statement() for function in self.functions()),
            *(f"DROP TRIGGER IF EXISTS {identifier(name)} ON {on}" for name, on in self._every_trigger()),
            *(statement for trigger in self.triggers() for statement in self._made(trigger)),
        ]

    def select(self, key: Sequence[str]) -> list[str]:
        """The statements of a transaction whose last one reads a row as it is captured, by the text of its key."""
        typed = zip(self.source.key, self._key_types(), key, strict=True)
        here = " AND ".join(f"t.{identifier(name)} = {literal(text)}::{kind}" for name, kind, text in typed)
        read = f"SELECT {self._row()} FROM {_only(self.table)} AS t WHERE {here}"
        return [*(f"SET LOCAL {setting}" for setting in SESSION), read]

    def beside_captured(self) -> list[str]:
        """The statements of a transaction whose last one reads all rows as they would be captured beside what is.

        `key`, `revision` and `before` as in `rowcast.rows`, and `after`; what isn't there is NULL.
        """
        key = self._key([f"t.{identifier(name)}" for name in self.source.key])
        read = f"""SELECT coalesce(n.key, r.key) AS key, r.revision, r.row AS before, n.row AS after
FROM (SELECT {key} AS key, {self._row()} AS row FROM {_only(self.table)} AS t WHERE {_fits(key)}) AS n
FULL JOIN (
    SELECT key, revision, row FROM rowcast.rows WHERE renderer = {literal(self.source.renderer)} AND NOT deleted
) AS r ON r.key COLLATE "C" = n.key COLLATE "C"
ORDER BY coalesce(n.key, r.key) COLLATE "C"
"""
        return [*(f"SET LOCAL {setting}" for setting in SESSION), read]

    def script(self) -> str:
        """What a database administrator runs, as often as they like: one transaction that also fills the rows."""
        name = literal(self.source.renderer)
        note = f"INSERT INTO rowcast.sources (renderer, revision) VALUES ({name}, 1) ON CONFLICT DO NOTHING"
        return _transaction([SCHEMA.strip().rstrip(";"), note, *self.install(), self.compare()])

    def removal(self) -> str:
        """The same for taking it away; the captured rows stay."""
        return _transaction([removal(self.source.renderer)])

    def compare(self) -> str:
        """A query of one value: how many rows have been refreshed because they differed."""
        return f"SELECT {self._name('compare')}()"

    def _name(self, part: str) -> str:
        return f"rowcast.{identifier(f'{self.source.renderer}/{part}')}"

    def _trigger_names(self, part: str) -> list[str]:
        return [f"rowcast/{self.source.renderer}/{part}/{event.lower()}" for event in (*_EVENTS, "TRUNCATE", "row")]

    def _parts(self) -> list[tuple[str, Table]]:
        return [("source", self.table), *((f"with/{name}", table) for name, table in self.related.items())]

    def _every_trigger(self) -> Iterator[tuple[str, str]]:
        for part, table in self._parts():
            for name in self._trigger_names(part):
                yield name, qualified(table.name)

    # The functions.

    def functions(self) -> Iterator[Function]:
        """What captures the table, in the order in which it is made."""
        keys = ", ".join(f"k{number} text[]" for number, _ in enumerate(self.source.key))
        yield self._function("refresh", keys, "bigint", self._refresh_body())
        yield self._function("compare", "", "bigint", self._compare_body())
        own = [f"t.{identifier(column)}" for column in self.source.key]
        yield self._function("source", "", "trigger", self._trigger_body(own, self.source.key))
        for name, related in self.source.related.items():
            yield self._function(f"with/{name}", "", "trigger", self._related_body(related))

    def _function(self, part: str, arguments: str, returns: str, body: str) -> Function:
        return Function(f"{self.source.renderer}/{part}", arguments, returns, f"\n{body}\n")

    def _row(self) -> str:
        """A row `t` as it is captured."""
        columns = [column for name, column in self.table.columns.items() if name not in self.source.exclude]
        pairs = [(column.name, value(f"t.{identifier(column.name)}", column)) for column in columns]
        pairs += [(name, self._list(self.related[name], related)) for name, related in self.source.related.items()]
        return _object(pairs)

    def _list(self, table: Table, related: Related) -> str:
        pairs = [(name, value(f"c.{identifier(name)}", table.columns[name])) for name in related.columns]
        order = table.key or related.columns
        where = " AND ".join(f"c.{identifier(child)} = t.{identifier(parent)}" for child, parent in related.on.items())
        return (
            f"(SELECT coalesce(jsonb_agg({_object(pairs)} ORDER BY {_columns('c', order)}), '[]'::jsonb)"
            f" FROM {_only(table)} AS c WHERE {where})"
        )

    def _refresh_body(self) -> str:
        renderer = literal(self.source.renderer)
        arrays = ", ".join(f"k{number}" for number, _ in enumerate(self.source.key))
        names = ", ".join(f"c{number}" for number, _ in enumerate(self.source.key))
        here = " AND ".join(f"t.{identifier(name)} = k.c{number}" for number, name in enumerate(self.source.key))
        typed = ", ".join(f"u.c{number}::{kind} AS c{number}" for number, kind in enumerate(self._key_types()))
        given = f"SELECT {{}} {typed} FROM unnest({arrays}) AS u ({names})"
        wanted = f"({given.format('DISTINCT')}) AS k"
        key = self._key([f"k.c{number}" for number, _ in enumerate(self.source.key)])
        lines = ["DECLARE written bigint;", "BEGIN"]
        if self.source.related:
            if not self._every_child_has_its_parent():
                # Two transactions, one with the row and one with a related row, must meet somewhere.
                lines.append(f"""INSERT INTO rowcast.rows
    (renderer, key, generation, revision, deleted, row, changed_at)
SELECT {renderer}, {key}, 0, source.revision, true, '{{}}', now() FROM {wanted}, rowcast.sources AS source
WHERE source.renderer = {renderer} AND {_fits(key)} ORDER BY 2 ON CONFLICT DO NOTHING;""")
            # Who comes second waits here, and reads in the next statement, whose snapshot has what the first has done.
            lines.append(f"""PERFORM FROM rowcast.rows AS r
WHERE r.renderer = {renderer} AND r.key IN (SELECT {key} FROM {wanted}) ORDER BY r.key FOR UPDATE;""")
        lines.append(f"""INSERT INTO rowcast.rows AS r
    (renderer, key, generation, revision, deleted, row, actor, actor_verified, traceparent, changed_at)
SELECT {renderer}, {key}, greatest(
    (SELECT f.generation FROM rowcast.floors AS f WHERE f.renderer = {renderer}),
    (SELECT max(e.generation) FROM rowcast.rows AS e WHERE e.renderer = {renderer} AND e.key = {key}), 0
) + 1, source.revision, s.row IS NULL, coalesce(s.row, '{{}}'),
    nullif(current_setting('rowcast.actor', true), ''),
    {_VERIFIED},
    nullif(current_setting('rowcast.traceparent', true), ''), now()
FROM {wanted} CROSS JOIN rowcast.sources AS source
LEFT JOIN LATERAL (SELECT {self._row()} AS row FROM {_only(self.table)} AS t WHERE {here}) AS s ON true
WHERE source.renderer = {renderer} AND {_fits(key)} AND (s.row IS NOT NULL
    OR EXISTS (SELECT FROM rowcast.rows AS e WHERE e.renderer = {renderer} AND e.key = {key} AND NOT e.deleted))
ORDER BY 2
ON CONFLICT (renderer, key) DO UPDATE SET
    generation = CASE WHEN r.generation = 0 THEN excluded.generation ELSE r.generation + 1 END,
    deleted = excluded.deleted, revision = CASE WHEN r.deleted THEN excluded.revision ELSE r.revision END,
    row = CASE WHEN excluded.deleted THEN r.row ELSE excluded.row END, actor = excluded.actor,
    actor_verified = excluded.actor_verified, traceparent = excluded.traceparent, changed_at = excluded.changed_at
WHERE r.deleted <> excluded.deleted OR (NOT excluded.deleted AND r.row <> excluded.row);
GET DIAGNOSTICS written = ROW_COUNT;
IF EXISTS (SELECT FROM ({given.format("")}) AS k WHERE NOT {_fits(key)}
    AND EXISTS (SELECT FROM {_only(self.table)} AS t WHERE {here})) THEN
    UPDATE rowcast.sources SET fault = {literal(_LONG_KEY)}, fault_at = now()
    WHERE renderer = {renderer} AND fault IS DISTINCT FROM {literal(_LONG_KEY)};
END IF;
RETURN written;
END""")
        return "\n".join(lines)

    def _compare_body(self) -> str:
        renderer = literal(self.source.renderer)
        key = self._key([f"t.{identifier(name)}" for name in self.source.key])
        arrays = [f"a{number}" for number, _ in enumerate(self.source.key)]
        declared = " ".join(f"a{number} text[];" for number, _ in enumerate(self.source.key))
        aggregated = ", ".join(f"array_agg(d.c{number})" for number, _ in enumerate(self.source.key))
        present = ", ".join(f"t.{identifier(name)}::text AS c{number}" for number, name in enumerate(self.source.key))
        gone = ", ".join(f"r.row->>{literal(name)} AS c{number}" for number, name in enumerate(self.source.key))
        return f"""DECLARE {declared} written bigint := 0; wrong text;
BEGIN
SELECT {aggregated} INTO {", ".join(arrays)} FROM (
    SELECT {present} FROM {_only(self.table)} AS t
    LEFT JOIN rowcast.rows AS r ON r.renderer = {renderer} AND r.key = {key}
    WHERE {_fits(key)} AND (r.key IS NULL OR r.deleted OR r.row <> {self._row()})
    UNION ALL
    SELECT {gone} FROM rowcast.rows AS r
    WHERE r.renderer = {renderer} AND NOT r.deleted
        AND NOT EXISTS (SELECT FROM {_only(self.table)} AS t WHERE {key} = r.key)
) AS d;
IF a0 IS NOT NULL THEN written := {self._name("refresh")}({", ".join(arrays)}); END IF;
IF EXISTS (SELECT FROM {_only(self.table)} AS t WHERE NOT {_fits(key)}) THEN wrong := {literal(_LONG_KEY)}; END IF;
UPDATE rowcast.sources SET fault = wrong, fault_at = CASE WHEN wrong IS NOT NULL THEN now() END
WHERE renderer = {renderer} AND fault IS DISTINCT FROM wrong;
RETURN written;
END"""

    def _trigger_body(self, keys: Sequence[str], needs: Collection[str], join: str = "") -> str:
        """Collects the keys of what a statement, or in a trigger for each row a row, has changed, and refreshes them.

        `keys` are expressions over `t`, a row that has changed, of which they use the columns `needs`; `join` adds to
        FROM.
        """
        renderer = literal(self.source.renderer)
        declared = " ".join(f"a{number} text[];" for number, _ in enumerate(self.source.key))
        arrays = ", ".join(f"a{number}" for number, _ in enumerate(keys))
        aggregated = ", ".join(f"array_agg(({expression})::text)" for expression in keys)

        def collect(rows: str) -> str:
            return f"SELECT {aggregated} INTO {arrays} FROM {rows} AS t{join};"

        def one(record: str) -> str:
            # In a partition the record is of the partition's type, whose columns may be in another order.
            return "SELECT " + ", ".join(f"{record}.{identifier(name)} AS {identifier(name)}" for name in sorted(needs))

        both = f"({one('OLD')} UNION ALL {one('NEW')})"
        return f"""DECLARE {declared}
BEGIN
IF TG_OP = 'TRUNCATE' THEN PERFORM {self._name("compare")}(); RETURN NULL;
ELSIF TG_LEVEL = 'ROW' AND TG_OP = 'INSERT' THEN {collect(f"({one('NEW')})")}
ELSIF TG_LEVEL = 'ROW' AND TG_OP = 'DELETE' THEN {collect(f"({one('OLD')})")}
ELSIF TG_LEVEL = 'ROW' THEN {collect(both)}
ELSIF TG_OP = 'INSERT' THEN {collect("new_rows")}
ELSIF TG_OP = 'DELETE' THEN {collect("old_rows")}
ELSE {collect("(SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows)")}
END IF;
IF a0 IS NOT NULL THEN PERFORM {self._name("refresh")}({arrays}); END IF;
RETURN NULL;
EXCEPTION WHEN {_FAULTS} THEN
    UPDATE rowcast.sources SET fault = SQLERRM, fault_at = now()
    WHERE renderer = {renderer} AND fault IS DISTINCT FROM SQLERRM;
    RETURN NULL;
END"""

    def _related_body(self, related: Related) -> str:
        if set(related.on.values()) == set(self.source.key):
            child = {parent: name for name, parent in related.on.items()}
            return self._trigger_body([f"t.{identifier(child[key])}" for key in self.source.key], related.on)
        on = " AND ".join(f"p.{identifier(parent)} = t.{identifier(name)}" for name, parent in related.on.items())
        join = f" JOIN {_only(self.table)} AS p ON {on}"
        return self._trigger_body([f"p.{identifier(key)}" for key in self.source.key], related.on, join)

    # The triggers.

    def triggers(self) -> Iterator[Trigger]:
        """What calls the functions."""
        for part, table in self._parts():
            names = dict(zip((*_EVENTS, "TRUNCATE", "row"), self._trigger_names(part), strict=True))
            if table.kind == "p" or table.subscribed:
                # A write straight into a partition fires no statement trigger of the whole; this one is on each.
                # Neither does what logical replication writes (the manual, "Logical Replication", Architecture).
                yield self._trigger(names["row"], part, table, "INSERT OR DELETE OR UPDATE", "FOR EACH ROW")
            else:
                for event, transition in _EVENTS.items():
                    rest = f"REFERENCING {transition} FOR EACH STATEMENT"
                    yield self._trigger(names[event], part, table, event, rest)
            yield self._trigger(names["TRUNCATE"], part, table, "TRUNCATE", "FOR EACH STATEMENT")

    def _trigger(self, name: str, part: str, table: Table, event: str, rest: str) -> Trigger:
        on, function = qualified(table.name), f"EXECUTE FUNCTION {self._name(part)}()"
        statement = f"CREATE TRIGGER {identifier(name)} AFTER {event} ON {on} {rest} {function}"
        return Trigger(name, table.name, statement)

    def _made(self, trigger: Trigger) -> Iterator[str]:
        yield trigger.statement
        if self.owned:
            yield f"ALTER TABLE {qualified(trigger.table)} ENABLE ALWAYS TRIGGER {identifier(trigger.name)}"

    def _key_types(self) -> list[str]:
        return [self.table.columns[name].declared for name in self.source.key]

    def _key(self, expressions: Sequence[str]) -> str:
        """A key's canonical text: that of its column, or of several as a JSON array."""
        if len(expressions) == 1:
            return f"({expressions[0]})::text"
        return f"jsonb_build_array({', '.join(f'({expression})::text' for expression in expressions)})::text"

    def _every_child_has_its_parent(self) -> bool:
        return all(
            any(
                key.table == self.table.name and dict(zip(key.columns, key.referenced, strict=True)) == related.on
                for key in self.related[name].foreign_keys
            )
            for name, related in self.source.related.items()
        )


def removal(renderer: str, keep: Iterable[Function] = ()) -> str:
    """The statement that takes away what captures a renderer's table, or once did, but for `keep`; the rows stay.

    A function's triggers go with it, whoever owns the table, and if that is gone.
    """
    kept = "".join(
        f" AND (proname, pg_get_function_identity_arguments(oid)) <> ({literal(function.name)},"
        f" {literal(function.arguments)})"
        for function in keep
    )
    return f"""DO $rowcast$
DECLARE gone text;
BEGIN
FOR gone IN SELECT format('rowcast.%I(%s)', proname, pg_get_function_identity_arguments(oid)) FROM pg_proc
    WHERE pronamespace = to_regnamespace('rowcast') AND starts_with(proname, {literal(f"{renderer}/")}){kept}
LOOP EXECUTE 'DROP FUNCTION ' || gone || ' CASCADE'; END LOOP;
END $rowcast$"""


def value(expression: str, column: Column) -> str:
    """A column as jsonb, such that every reader of JSON has the same value: what numbers would bend is text."""
    match column.type, column.element:
        case "numeric", _:
            return f"to_jsonb({expression}::text)"
        case "int8", _:
            inside = f"{expression} BETWEEN -{SAFE_INTEGER} AND {SAFE_INTEGER}"
            return f"CASE WHEN {inside} THEN to_jsonb({expression}) ELSE to_jsonb({expression}::text) END"
        case _, "numeric" | "int8":
            return f"to_jsonb({expression}::text[])"
    return f"to_jsonb({expression})"


def _object(pairs: Sequence[tuple[str, str]]) -> str:
    """Like jsonb_build_object, which takes no more than 100 arguments."""
    members = [f"{literal(name)}, {expression}" for name, expression in pairs]
    parts = [f"jsonb_build_object({', '.join(members[start : start + 48])})" for start in range(0, len(members), 48)]
    return f"({' || '.join(parts)})" if parts else "'{}'::jsonb"


def _transaction(statements: Sequence[str]) -> str:
    return "".join(f"{statement};\n" for statement in ("BEGIN", *statements, "COMMIT"))


def _fits(key: str) -> str:
    return f"(length({key}) <= {KEY_MAX} AND octet_length({key}) <= {KEY_BYTES})"


def _columns(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{identifier(name)}" for name in names)


def _only(table: Table) -> str:
    # Of a table that others inherit from its own rows; of a partitioned one, which has none, all.
    return qualified(table.name) if table.kind == "p" else f"ONLY {qualified(table.name)}"
