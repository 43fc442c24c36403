"""What a declaration would do to all rows of its renderer, seen in one snapshot of the database; nothing is changed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from rowcast.core.impact import Impact, Rendering
from rowcast.core.renderer import ExpressionError, RenderedRow, Renderer
from rowcast.core.shapes import RowShape, shape_as_json, shape_of
from rowcast.core.source import Source
from rowcast.crud.database.tables import rows
from rowcast.crud.renderers import revisions
from rowcast.crud.renderers.preview import check_declaration
from rowcast.crud.sources.database import SourceError, capture_of
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.positions import ProblemsError
from rowcast.renderers.rendering import render

ROWS_AT_ONCE = 1000
NOTHING = RenderedRow("", None, ())
"""What a row is that isn't there."""
Progress = Callable[[int, int], None]
"""Is told how many rows of how many were looked at, every thousand; what it raises ends it."""


@dataclass(frozen=True)
class Seen:
    """What was seen: of a renderer at its newest `revision` (None: never applied, or deleted), and the `token` of it.

    `captured_anew`: applying captures the rows anew, so they were read from the source table itself.
    """

    renderer: str
    revision: int | None
    captured_anew: bool
    token: str
    impact: Impact

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        known = {name: value for name, value in vars(self).items() if name != "impact"}
        return {**known, **self.impact.as_json()}


@dataclass(frozen=True)
class _Revision:
    render: Callable[[Mapping[str, Any]], Rendering]
    retained: frozenset[str] = frozenset()


def see(
    connection: Connection,
    declaration: str,
    sample: int = 3,
    progress: Progress = lambda done, total: None,
    may_read_source: bool = True,
) -> Seen:
    """All rows, each by the revision that it carries and by the declaration. One transaction, REPEATABLE READ.

    Where the declaration captures another table, or other columns of it, than was applied, the rows are read from the
    table itself as its triggers would; without `may_read_source` that is refused. Raises ProblemsError for the
    declaration, SourceError for its table.
    """
    renderer, shape = check_declaration(connection, declaration)
    newest = revisions.get(connection, renderer.name)
    live = newest is not None and not newest["deleted"]
    there = revisions.revision(connection, renderer.name, newest["revision"]) if newest is not None and live else None
    before = _applied(there)
    anew = there is None or there["shape"] != shape_as_json(shape) or _captured(before) != _captured(renderer)
    if anew and not may_read_source:
        raise SourceError(
            "it captures another table, or other columns, than were applied: whoever may apply it can see what it does"
            " (rowcast renderer impact)"
        )
    mine = rows.c.renderer == renderer.name
    total, last = connection.execute(
        select(func.count().filter(~rows.c.deleted), func.max(rows.c.changed_at)).where(mine)
    ).one()
    moment = f"{last.timestamp():.6f}" if last is not None else ""
    digest = hashlib.sha256(declaration.encode()).hexdigest()
    token = f"{digest}.{there['revision'] if there is not None else 0}.{total}.{moment}"
    impact = Impact(before, renderer, sample)
    source = _anew(connection, renderer) if anew else _as_captured(connection, renderer.name)
    new = _Revision(partial(_rendered, renderer, Language(shape)))
    known: dict[int, _Revision] = {}
    for row in source:
        had: Rendering = NOTHING
        retained: frozenset[str] = frozenset()
        if row["revision"] is not None:
            number = row["revision"]
            if number not in known:
                known[number] = _compiled(revisions.revision(connection, renderer.name, number))
            had, retained = known[number].render(row["before"]), known[number].retained
        impact.add(row["key"], had, NOTHING if row["after"] is None else new.render(row["after"]), retained)
        if impact.rows % ROWS_AT_ONCE == 0:
            progress(impact.rows, max(total, impact.rows))
    progress(impact.rows, impact.rows)
    return Seen(renderer.name, there["revision"] if there is not None else None, anew, token, impact)


def _as_captured(connection: Connection, name: str) -> Iterator[Mapping[str, Any]]:
    """Key, revision, and the row: before as after."""
    query = (
        select(rows.c.key, rows.c.revision, rows.c.row)
        .where(rows.c.renderer == name, ~rows.c.deleted)
        .order_by(rows.c.key)
        .execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
    )
    for key, revision, row in connection.execute(query):
        yield {"key": key, "revision": revision, "before": row, "after": row}


def _anew(connection: Connection, renderer: Renderer) -> Iterator[RowMapping]:
    """Key, revision, and the row as it is captured and as it would be; each is None where it isn't there."""
    *settings, query = capture_of(connection, renderer.source).beside_captured()
    for statement in settings:
        connection.exec_driver_sql(statement)
    options = {"stream_results": True, "max_row_buffer": ROWS_AT_ONCE}
    yield from connection.exec_driver_sql(query.replace("%", "%%"), execution_options=options).mappings()


def _applied(revision: RowMapping | None) -> Renderer | None:
    """None also for one that this version can't read."""
    if revision is None:
        return None
    try:
        return read_renderer(revision["text"], shape_of(revision["shape"]))
    except ProblemsError:
        return None


def _captured(renderer: Renderer | None) -> Source | None:
    return None if renderer is None else replace(renderer.source, edit=False)


def _compiled(revision: RowMapping | None) -> _Revision:
    if revision is None:
        return _Revision(lambda row: ExpressionError("its revision is not there"))
    shape: RowShape = shape_of(revision["shape"])
    try:
        renderer = read_renderer(revision["text"], shape)
    except ProblemsError as error:
        wrong = ExpressionError(f"revision {revision['revision']} can't be read: {error.problems[0]}")
        return _Revision(lambda row: wrong)
    retained = frozenset(manifest.id for manifest in renderer.manifests if manifest.delete == "retain")
    return _Revision(partial(_rendered, renderer, Language(shape)), retained)


def _rendered(renderer: Renderer, language: Language, row: Mapping[str, Any]) -> Rendering:
    try:
        return render(renderer, language, row)
    except ExpressionError as error:
        return error
    except RecursionError:
        return ExpressionError("is nested too deeply", "row")
