"""What capture rests on, in the database's catalogues: how it is, and putting it right."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, RowMapping, text

PUBLICATION = "rowcast"
HEARTBEAT, ROWS, APP_CONFIGS = "public.rowcast_heartbeat", "rowcast.rows", "public.app_configs"
TRIGGERS: Mapping[str, str] = {
    "app_configs_before": "app_configs",
    "app_configs_history": "app_configs",
    "app_configs_name_unique": "app_configs",
    "app_configs_no_truncate": "app_configs",
    "rowcast_heartbeat_mark": "rowcast_heartbeat",
}
"""Every trigger and its table."""
CAPTURING = dict.fromkeys((f"app_configs_captured_{event}" for event in ("insert", "update", "delete")), "app_configs")
"""Those by which configurations are captured in `rowcast.rows`, once crud has switched that on (migration 0018)."""
OPERATIONS = ("insert", "update", "delete")

_TRIGGERS = text("""
SELECT expected.name, (SELECT tgenabled FROM pg_trigger
    WHERE tgname = expected.name AND tgrelid = to_regclass('public.' || expected.home) AND NOT tgisinternal) AS state
FROM unnest(CAST(:names AS text[]), CAST(:tables AS text[])) AS expected (name, home)
""")
_IDENTITY = text("""
SELECT captured.name, relreplident AS identity FROM unnest(CAST(:tables AS text[])) AS captured (name)
JOIN pg_class ON pg_class.oid = to_regclass(captured.name)
""")
_PUBLICATION = text("""
SELECT pubinsert AS insert, pubupdate AS update, pubdelete AS delete FROM pg_publication WHERE pubname = :name
""")
# PostgreSQL 14 has neither filters nor lists of columns, nor these columns of its catalogue.
_MEMBERS = text("""
SELECT published.schemaname || '.' || published.tablename AS name,
    to_jsonb(member) ->> 'prqual' IS NOT NULL AS filtered, to_jsonb(member) ->> 'prattrs' IS NOT NULL AS listed
FROM pg_publication_tables AS published
JOIN pg_publication AS publication USING (pubname)
LEFT JOIN pg_publication_rel AS member ON member.prpubid = publication.oid
    AND member.prrelid = to_regclass(format('%I.%I', published.schemaname, published.tablename))
WHERE published.pubname = :name AND published.schemaname || '.' || published.tablename = ANY (:tables)
""")


def captures_configurations(connection: Connection) -> bool:
    """Whether configurations are captured in `rowcast.rows`. Else their table is captured itself, as before 0018."""
    return bool(connection.exec_driver_sql("SELECT rowcast.captures_configurations()").scalar())


def captured_tables(connection: Connection) -> Sequence[str]:
    """The tables whose changes are events, by their full names."""
    return (ROWS,) if captures_configurations(connection) else (APP_CONFIGS, ROWS)


def _triggers(connection: Connection) -> Mapping[str, str]:
    return {**TRIGGERS, **CAPTURING} if captures_configurations(connection) else TRIGGERS


def trigger_faults(connection: Connection) -> list[str]:
    """What is wrong with the triggers, each by its name; empty if all are there and always fire."""
    triggers = _triggers(connection)
    names, tables = list(triggers), list(triggers.values())
    words = {None: "is missing", "D": "is disabled", "O": "fires for origin only", "R": "fires for replicas only"}
    found = connection.execute(_TRIGGERS, {"names": names, "tables": tables}).mappings()
    return [f"trigger {row['name']} {words[row['state']]}" for row in found if row["state"] in words]


def publication_faults(connection: Connection) -> list[str]:
    """What keeps change events from being whole, or from coming at all; empty if nothing does."""
    faults = []
    captured = captured_tables(connection)
    tables = [*captured, HEARTBEAT]
    for table, identity in connection.execute(_IDENTITY, {"tables": list(captured)}):
        if identity != "f":
            word = {"d": "DEFAULT", "n": "NOTHING", "i": "an index"}.get(str(identity), str(identity))
            faults.append(f"{_short(table)} has replica identity {word}, not FULL")
    publication = connection.execute(_PUBLICATION, {"name": PUBLICATION}).mappings().one_or_none()
    if publication is None:
        return [*faults, f"there is no publication {PUBLICATION}"]
    unpublished = [operation for operation in OPERATIONS if not publication[operation]]
    if unpublished:
        faults.append(f"publication {PUBLICATION} doesn't publish {', '.join(unpublished)}")
    members = connection.execute(_MEMBERS, {"name": PUBLICATION, "tables": tables}).mappings()
    by_name = {row["name"]: row for row in members}
    return faults + [fault for table in tables for fault in _membership(table, by_name.get(table))]


def _membership(table: str, member: RowMapping | None) -> Sequence[str]:
    if member is None:
        return [f"publication {PUBLICATION} leaves out {_short(table)}"]
    words = {"filtered": "a row filter", "listed": "a column list"}
    return [f"publication {PUBLICATION} has {word} on {_short(table)}" for key, word in words.items() if member[key]]


def put_right(connection: Connection) -> list[str]:
    """Makes every trigger that there is fire always, and the publication whole; what was wrong. Needs the owner.

    A restore with --disable-triggers ends with triggers that fire for origin only; hands do the rest. A trigger that is
    missing stays so: what it does belongs to a migration.
    """
    triggers, publication = trigger_faults(connection), publication_faults(connection)
    wanted = _triggers(connection)
    for name, state in connection.execute(_TRIGGERS, {"names": list(wanted), "tables": list(wanted.values())}).all():
        if state not in (None, "A"):
            connection.exec_driver_sql(f"ALTER TABLE public.{wanted[name]} ENABLE ALWAYS TRIGGER {name}")
    if publication:
        for table in captured_tables(connection):
            connection.exec_driver_sql(f"ALTER TABLE {table} REPLICA IDENTITY FULL")
        _publish(connection)
    return triggers + publication


def _publish(connection: Connection) -> None:
    tables = ", ".join((*captured_tables(connection), HEARTBEAT))
    publishing = f"(publish = '{', '.join(OPERATIONS)}')"
    found = connection.exec_driver_sql("SELECT puballtables FROM pg_publication WHERE pubname = %s", (PUBLICATION,))
    for_all = found.scalar()
    if for_all:
        # That it is for all tables can't be taken back from a publication.
        connection.exec_driver_sql(f"ALTER PUBLICATION {PUBLICATION} SET {publishing}")
    elif for_all is None:
        connection.exec_driver_sql(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {tables} WITH {publishing}")
    else:
        connection.exec_driver_sql(f"ALTER PUBLICATION {PUBLICATION} SET TABLE {tables}")
        connection.exec_driver_sql(f"ALTER PUBLICATION {PUBLICATION} SET {publishing}")


def _short(table: str) -> str:
    return table.removeprefix("public.")
