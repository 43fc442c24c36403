"""Reads of renderers and their revisions. Every function works in the caller's transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, Select, and_, func, select

from rowcast.crud.database.tables import renderers, rows, sources


def current(connection: Connection) -> Sequence[RowMapping]:
    """Every renderer at its newest revision, by name, with how many rows there are of it, and what is wrong."""
    return connection.execute(_current().order_by(renderers.c.name)).mappings().all()


def get(connection: Connection, name: str) -> RowMapping | None:
    """One of them, with its declaration."""
    query = _current(renderers.c.text).where(renderers.c.name == name)
    return connection.execute(query).mappings().one_or_none()


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
    """The revision that new rows are of: the newest, unless a later one is only kept yet; None if it is deleted."""
    its = select(sources.c.revision).where(sources.c.renderer == name).scalar_subquery()
    query = select(renderers).where(renderers.c.name == name, renderers.c.revision == its)
    return connection.execute(query).mappings().one_or_none()


def _current(*more: object) -> Select[tuple[object, ...]]:
    newest = select(renderers.c.name, func.max(renderers.c.revision).label("revision")).group_by(renderers.c.name)
    latest = newest.subquery()
    count = (
        select(func.count()).where(rows.c.renderer == renderers.c.name, ~rows.c.deleted).correlate(renderers)
    ).scalar_subquery()
    listed = (column for column in renderers.c if column.name not in {"text", "shape"})
    joined = renderers.join(
        latest, and_(latest.c.name == renderers.c.name, latest.c.revision == renderers.c.revision)
    ).outerjoin(sources, sources.c.renderer == renderers.c.name)
    deleted = sources.c.renderer.is_(None).label("deleted")
    columns = (*listed, *more, count.label("rows"), sources.c.fault, sources.c.fault_at, deleted)
    return select(*columns).select_from(joined)  # type: ignore[call-overload,no-any-return]
