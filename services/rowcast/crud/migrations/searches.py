"""Indexes by which a part of a text is found, where PostgreSQL has pg_trgm for them; else a search reads all rows.

None of it is a migration: the extension may come later, and the version of the server, which may change, says by which
collation texts are folded. An extension that is trusted, as this one is, takes CREATE in the database and no superuser.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from rowcast.crud.database.connections import sqlstate
from rowcast.crud.database.text_search import collation, folded

EXTENSION = "pg_trgm"
_UNAVAILABLE = frozenset({"42501", "58P01", "0A000"})
"""SQLSTATE of a right that is missing, and of an extension that the server doesn't have."""
_LOCK = 7_769_671_836
_SCHEMA = text("SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = :name")
_ALONE = text(f"SELECT pg_try_advisory_lock({_LOCK})")
_DONE = text(f"SELECT pg_advisory_unlock({_LOCK})")
_FOUND = text("""
SELECT class.relname AS name, indisvalid AS valid FROM pg_index
JOIN pg_class AS class ON class.oid = indexrelid
WHERE indrelid = CAST(:table AS regclass) AND starts_with(class.relname, :prefix)
""")


@dataclass(frozen=True)
class _Searched:
    """The texts of a table in which the lists search, and of which of its rows."""

    schema: str
    table: str
    texts: tuple[str, ...]
    of: str = ""

    @property
    def prefix(self) -> str:
        return f"{self.table}_searched_"


_SEARCHED = (
    _Searched("public", "app_configs", ("name", "repository_url", "branch")),
    # Configurations are searched in their own table; nobody searches long in what is deleted.
    _Searched(
        "rowcast",
        "rows",
        ("key", "CAST(row AS text)"),
        " WHERE NOT deleted AND generation > 0 AND renderer <> 'appconfigs'",
    ),
)


def index_searches(connection: Connection) -> str | None:
    """Make what is missing; why it can't be made, and who can make it so, or None. Needs the owner, in autocommit.

    Writers go on meanwhile: a million rows take some minutes. Of several that ask at once one does it.
    """
    if not connection.execute(_ALONE).scalar_one():
        return None
    try:
        schema = connection.execute(_SCHEMA, {"name": EXTENSION}).scalar()
        if schema is None:
            try:
                connection.exec_driver_sql(f"CREATE EXTENSION {EXTENSION} SCHEMA public")
            except DBAPIError as error:
                if sqlstate(error) not in _UNAVAILABLE:
                    raise
                return f"{str(error.orig).splitlines()[0]}; a DBA runs: CREATE EXTENSION {EXTENSION} SCHEMA public"
            schema = "public"
        for searched in _SEARCHED:
            _index(connection, searched, schema)
    finally:
        connection.execute(_DONE)
    return None


def all_rows_are_read(connection: Connection) -> bool:
    """Whether a search reads all rows of some table, as it has no index for them."""
    for searched in _SEARCHED:
        names = {"table": f"{searched.schema}.{searched.table}", "prefix": searched.prefix}
        if not any(valid for _, valid in connection.execute(_FOUND, names)):
            return True
    return False


def _index(connection: Connection, searched: _Searched, schema: str) -> None:
    version = int((connection.dialect.server_version_info or (0,))[0])
    table, wanted = f"{searched.schema}.{searched.table}", f"{searched.prefix}{collation(version).replace('-', '_')}"
    found = connection.execute(_FOUND, {"table": table, "prefix": searched.prefix}).all()
    if [tuple(index) for index in found] == [(wanted, True)]:
        return
    for index in found:
        # By the collation of a version before, or half made when somebody stopped it.
        connection.exec_driver_sql(f'DROP INDEX CONCURRENTLY {searched.schema}."{index.name}"')
    texts = ", ".join(f"{folded(each, version)} {schema}.gin_trgm_ops" for each in searched.texts)
    connection.exec_driver_sql(f'CREATE INDEX CONCURRENTLY "{wanted}" ON {table} USING gin ({texts}){searched.of}')
    connection.exec_driver_sql(f"ANALYZE {table}")
