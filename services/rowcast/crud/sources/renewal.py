"""Renews what a version before has installed on tables, without touching them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqlalchemy import Connection, RowMapping, text
from sqlalchemy.exc import DBAPIError

from rowcast.core.shapes import RowShape, shape_of
from rowcast.core.source import Source
from rowcast.crud.sources.apply import one_at_a_time
from rowcast.crud.sources.database import SourceError, capture_of, owned
from rowcast.crud.sources.faults import column_faults
from rowcast.crud.sources.installed import installed_by_others, missing_triggers, stale_functions
from rowcast.crud.sources.triggers import Capture
from rowcast.renderers.declaration import read_source
from rowcast.renderers.positions import ProblemsError

_SOURCES = text("""
SELECT source.renderer, renderer."text", renderer.shape FROM rowcast.sources AS source
LEFT JOIN rowcast.renderers AS renderer ON (renderer.name, renderer.revision) = (source.renderer, source.revision)
ORDER BY source.renderer
""")
_APPLY = "rowcast renderer apply FILE"


@dataclass(frozen=True)
class Renewal:
    """Of one renderer: the functions that were made anew, and what keeps its capture from being as it should."""

    renderer: str
    functions: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


def renew(connection: Connection) -> list[Renewal]:
    """Make the functions that differ from what this version installs anew, of every captured table; what was done.

    Nothing else is changed: no table is locked, no row written, no column captured that was not before. Each renderer
    stands for itself: what is wrong with one is said, and keeps no other from being renewed. Run again, it does
    nothing. The connection must be in no transaction, and its login the owner's of what was installed.
    """
    with connection.begin():
        one_at_a_time(connection)
        found = connection.execute(_SOURCES).mappings().all()
        renewals = [Renewal(row["renderer"], *_renewed(connection, row)) for row in found]
    return [each for each in renewals if each.functions or each.trouble]


def _renewed(connection: Connection, row: RowMapping) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if row["text"] is None:
        return (), (f"there is no declaration of it: {_APPLY}",)
    try:
        with connection.begin_nested():
            capture = _as_captured(connection, read_source(row["text"]), shape_of(row["shape"]))
            functions = stale_functions(connection, capture)
            if functions and (others := installed_by_others(connection, row["renderer"])):
                sql = "an administrator runs what `rowcast renderer sql -f FILE` prints"
                return (), (f"{others[0]} is not this login's to make anew: {sql}",)
            for function in functions:
                connection.exec_driver_sql(function.statement().replace("%", "%%"))
            trouble = tuple(_lacking(connection, capture))
    except ProblemsError as error:
        return (), (f"its declaration can't be read: {error.problems[0]}",)
    except SourceError as error:
        return (), (str(error),)
    except DBAPIError as error:
        return (), (f"the database: {str(error.orig).strip().splitlines()[0]}",)
    return tuple(function.name for function in functions), trouble


def _as_captured(connection: Connection, source: Source, shape: RowShape) -> Capture:
    """The capture of the columns that the declaration was checked against: one that came later may be a secret.

    Raises SourceError for a table that isn't there any more, or has other columns.
    """
    capture = capture_of(connection, source, owned(connection, source))
    tables = {table.name: table for table in (capture.table, *capture.related.values())}
    if faults := column_faults(source, shape, tables):
        raise SourceError(f"{'; '.join(faults)}: once that is mended, {_APPLY}")
    later = capture.table.columns.keys() - shape.columns.keys()
    return replace(capture, source=replace(source, exclude=source.exclude | later))


def _lacking(connection: Connection, capture: Capture) -> Iterator[str]:
    if triggers := missing_triggers(connection, capture):
        yield f"not there as this version makes them: {', '.join(triggers)}: {_APPLY}"
