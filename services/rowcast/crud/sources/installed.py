"""What captures a table, as it is in the database, beside what a declaration needs."""

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, text

from rowcast.crud.sources.triggers import SESSION, Capture, Function, Trigger, qualified

_FUNCTIONS = text("""
SELECT proname AS name, pg_get_function_identity_arguments(oid) AS arguments, prosrc AS body,
    prosecdef AS as_owner, coalesce(proconfig, '{}') AS settings, pg_has_role(session_user, proowner, 'MEMBER') AS ours
FROM pg_proc WHERE pronamespace = to_regnamespace('rowcast') AND starts_with(proname, :prefix) ORDER BY proname
""")
# `pg_get_triggerdef` leaves out the schemas of search_path.
_TRIGGERS = text("""
SELECT pg_get_triggerdef(oid) AS statement, tgenabled AS fires
FROM pg_trigger WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal AND tgname = :name
""")
# Whoever checks a declaration may have no right on what is ours.
_MAY_READ = text("""
SELECT has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT')
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = 'rowcast' AND relname = 'sources'
""")
_FAULT = text("SELECT fault FROM rowcast.sources WHERE renderer = :renderer")
_PATH = text("SET LOCAL search_path = pg_catalog")


def missing(connection: Connection, capture: Capture) -> list[str]:
    """Functions and triggers that aren't there as a table's capture needs them, by name, and functions that are left of
    what it was.
    """
    needed = {(function.name, function.arguments) for function in capture.functions()}
    found = [(row["name"], row["arguments"]) for row in _functions(connection, capture.source.renderer)]
    left = [name for name, arguments in found if (name, arguments) not in needed]
    functions = [function.name for function in stale_functions(connection, capture)]
    return functions + left + missing_triggers(connection, capture)


def stale_functions(connection: Connection, capture: Capture) -> list[Function]:
    """The functions that aren't there as a table's capture needs them."""
    found = {(row["name"], row["arguments"]): row for row in _functions(connection, capture.source.renderer)}
    return [
        function
        for function in capture.functions()
        if not _same_function(function, found.get((function.name, function.arguments)))
    ]


def missing_triggers(connection: Connection, capture: Capture) -> list[str]:
    """The triggers that aren't there as a table's capture needs them, by name and table."""
    connection.execute(_PATH)
    return [
        f"{trigger.name} on {trigger.table}"
        for trigger in capture.triggers()
        if not _is_there(connection, trigger, "A" if capture.owned else "AO")
    ]


def is_ours(connection: Connection, capture: Capture) -> bool:
    """Whether this login may make what captures a table: TRIGGER and SELECT on each, and no function of another's."""
    tables = (capture.table, *capture.related.values())
    rights = all(table.may_trigger and table.may_read for table in tables)
    return rights and not installed_by_others(connection, capture.source.renderer)


def installed_by_others(connection: Connection, renderer: str) -> list[str]:
    """A renderer's functions that this login may neither make anew nor take away, by name."""
    return [row["name"] for row in _functions(connection, renderer) if not row["ours"]]


def noted_fault(connection: Connection, renderer: str) -> str | None:
    """Why changes of a renderer's table were not captured, as its triggers have noted it; None also if unknown."""
    if not connection.execute(_MAY_READ).scalar():
        return None
    return connection.execute(_FAULT, {"renderer": renderer}).scalar()


def _functions(connection: Connection, renderer: str) -> Iterator[RowMapping]:
    yield from connection.execute(_FUNCTIONS, {"prefix": f"{renderer}/"}).mappings()


def _same_function(function: Function, there: RowMapping | None) -> bool:
    if there is None or there["body"] != function.body or not there["as_owner"]:
        return False
    return {_setting(one) for one in there["settings"]} == {_setting(one) for one in SESSION}


def _setting(assignment: str) -> str:
    """`timezone = 'UTC'`, and what the catalogue makes of it, `TimeZone=UTC`, in one form."""
    name, _, value = assignment.partition("=")
    return f"{name.strip().lower()}={value.strip().strip(chr(39))}"


def _is_there(connection: Connection, trigger: Trigger, fires: str) -> bool:
    names = {"table": qualified(trigger.table), "name": trigger.name}
    there = connection.execute(_TRIGGERS, names).mappings().one_or_none()
    return there is not None and there["fires"] in fires and _plain(there["statement"]) == _plain(trigger.statement)


def _plain(statement: str) -> str:
    # The catalogue quotes only names that need it.
    return statement.replace('"', "")
