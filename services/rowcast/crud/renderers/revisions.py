"""Reads of renderers and their revisions. Every function works in the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, func, select

from rowcast.crud.database.tables import renderers, rows, sources
from rowcast.crud.deliveries import of_rows
from rowcast.crud.sources.faults import source_states


def current(connection: Connection) -> Sequence[RowMapping]:
    """Every renderer at the revision that new rows are of, by name, with what its triggers have noted.

    That is the newest, unless a later one is only kept, or was rolled back; of a deleted one, the newest.
    """
    return connection.execute(_current().order_by(renderers.c.name)).mappings().all()


def get(connection: Connection, name: str) -> RowMapping | None:
    """One of them, with its declaration and the columns that this was checked against."""
    query = _current(renderers.c.text, renderers.c.shape).where(renderers.c.name == name)
    return connection.execute(query).mappings().one_or_none()


def with_faults(connection: Connection, found: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Renderers, each with all that keeps its table from being captured, as the pipeline has it.

    From here on the transaction has no search_path but pg_catalog.
    """
    only = found[0]["name"] if len(found) == 1 else None
    faults = {state.renderer: "; ".join(state.faults) or None for state in source_states(connection, only)}
    return [{**one, "fault": faults.get(one["name"])} for one in found]


def counts(connection: Connection) -> Mapping[str, int]:
    """How many rows there are, by renderer. Reads all of them."""
    query = (
        select(rows.c.renderer, func.count().label("rows"))
        .where(of_rows.captured(), ~rows.c.deleted)
        .group_by(rows.c.renderer)
    )
    return {row.renderer: row.rows for row in connection.execute(query)}


def history(connection: Connection, name: str) -> Sequence[RowMapping]:
    """A renderer's revisions, newest first, without their declarations."""
    listed = (column for column in renderers.c if column.name not in {"text", "shape"})
    query = select(*listed).where(renderers.c.name == name).order_by(renderers.c.revision.desc())
    return connection.execute(query).mappings().all()


def revision(connection: Connection, name: str, number: int) -> RowMapping | None:
    """One revision, whole."""
    query = select(renderers).where(renderers.c.name == name, renderers.c.revision == number)
    return connection.execute(query).mappings().one_or_none()


def captured_by(connection: Connection, name: str) -> RowMapping | None:
    """As `get` has it; None if it is deleted."""
    found = get(connection, name)
    return None if found is None or found["deleted"] else found


def _current(*more: object) -> Select[tuple[object, ...]]:
    newest = func.max(renderers.c.revision)
    number = func.coalesce(sources.c.revision, newest).label("revision")
    its = renderers.outerjoin(sources, sources.c.renderer == renderers.c.name)
    applied = select(renderers.c.name, number, newest.label("newest")).select_from(its)
    latest = applied.group_by(renderers.c.name, sources.c.revision).subquery()
    listed = (column for column in renderers.c if column.name not in {"text", "shape"})
    joined = renderers.join(
        latest, and_(latest.c.name == renderers.c.name, latest.c.revision == renderers.c.revision)
    ).outerjoin(sources, sources.c.renderer == renderers.c.name)
    deleted = sources.c.renderer.is_(None).label("deleted")
    columns = (*listed, *more, latest.c.newest, sources.c.fault, sources.c.fault_at, deleted)
    return select(*columns).select_from(joined)  # type: ignore[call-overload,no-any-return]
