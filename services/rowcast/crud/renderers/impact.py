"""What a declaration would do to all rows of its renderer, seen in one snapshot of the database; nothing is changed."""

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, select

from rowcast.core.impact import CLAIMS, Impact, Part, Token, settings_between
from rowcast.core.policy import EVERYTHING, Reach
from rowcast.core.renderer import ExpressionError, RenderedRow, Renderer, Rendering
from rowcast.core.shapes import RowShape, shape_as_json, shape_of
from rowcast.core.source import Source
from rowcast.crud.access.within import within
from rowcast.crud.database.tables import environments, renderers, rows
from rowcast.crud.renderers import revisions
from rowcast.crud.renderers.preview import check_declaration
from rowcast.crud.sources.database import SourceError, capture_of
from rowcast.crud.sources.environments import OF_ROW
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.positions import ProblemsError
from rowcast.renderers.rendering import Pair, rendering

ROWS_AT_ONCE = 1000
ROWS_OF_SEVERAL = 10_000
"""From how many rows on further processes are worth their start, of a second each."""
NOTHING = RenderedRow("", None, ())
"""What a row is that isn't there."""
Progress = Callable[[int, int], None]
"""Is told how many rows of how many were looked at, every thousand; what it raises ends it."""


@dataclass(frozen=True)
class Seen:
    """What was seen: of a renderer at the `revision` that new rows are of (None: never applied, or deleted), and the
    `token` of it.

    `captured_anew`: applying captures the rows anew, so they were read from the source table itself. `shape` is what
    the declaration was checked against.
    """

    renderer: str
    revision: int | None
    captured_anew: bool
    token: str
    shape: RowShape
    impact: Impact

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        known = {name: value for name, value in vars(self).items() if name not in ("shape", "impact")}
        return {**known, **self.impact.as_json()}


@dataclass(frozen=True)
class _Declarations:
    """The texts and shapes that rows are rendered by, of the new declaration and of every revision that a row is of."""

    new: tuple[str, RowShape]
    old: Mapping[int, tuple[str, RowShape]]
    sample: int


@dataclass(frozen=True)
class _Row:
    """`before` is as it was captured, `after` as it is to be; None where it isn't there, as its revision is then."""

    key: str
    revision: int | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def see(
    connection: Connection,
    declaration: str,
    sample: int = 3,
    progress: Progress = lambda done, total: None,
    may_read_source: bool = True,
    processes: int = 1,
    claims: int = CLAIMS,
    stored: RowShape | None = None,
    reach: Reach = EVERYTHING,
) -> Seen:
    """All rows that are `reach`, each by the revision that it carries and by the declaration. One transaction,
    REPEATABLE READ.

    `stored` is the shape of a declaration that is stored as a revision; any other is checked against the tables.

    Where the declaration captures another table, or other columns of it, than was applied, the rows are read from the
    table itself as its triggers would; without `may_read_source` that is refused. So many `processes` of their own
    render, where there are many rows; with one, this one does. Collisions are looked for among `claims` objects.
    Raises ProblemsError for the declaration, SourceError for its table.
    """
    if stored is None:
        renderer, shape = check_declaration(connection, declaration)
    else:
        renderer, shape = read_renderer(declaration, stored), stored
    there = revisions.captured_by(connection, renderer.name)
    before = _applied(there)
    anew = there is None or there["shape"] != shape_as_json(shape) or _captured(before) != _captured(renderer)
    if anew and not may_read_source:
        raise SourceError(
            "it captures another table, or other columns, than were applied: whoever may apply it can see what it does"
            " (rowcast renderer impact)"
        )
    figures = func.count().filter(~rows.c.deleted), func.max(rows.c.changed_at)
    total, last = connection.execute(_its_rows(renderer.name, reach, *figures)).one()
    moment = f"{last.timestamp():.6f}" if last is not None else ""
    digest = hashlib.sha256(declaration.encode()).hexdigest()
    revision: int | None = there["revision"] if there is not None else None
    token = str(Token(digest, str(revision or 0), str(total), moment))
    source = _anew(connection, renderer) if anew else _as_captured(connection, renderer.name, reach)
    of_rows = _revisions(connection, renderer.name)
    declarations = _Declarations((declaration, shape), of_rows, sample)
    impact = Impact(sample, list(settings_between(before, renderer)) if before is not None else (), claims)
    several = processes if total >= ROWS_OF_SEVERAL else 1
    for part in _parts(declarations, source, several):
        impact.merge(part)
        progress(impact.rows, max(total, impact.rows))
    progress(impact.rows, impact.rows)
    return Seen(renderer.name, revision, anew, token, shape, impact)


def _parts(declarations: _Declarations, source: Iterator[_Row], processes: int) -> Iterator[Part]:
    """In the order of the rows. Of those that wait to be rendered, or to be merged, there are a few thousand."""
    chunks = iter(lambda: list(islice(source, ROWS_AT_ONCE)), [])
    if processes == 1:
        yield from map(_Comparison(declarations).part, chunks)
        return
    # A fork would have this process' connection, too.
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawned, _prepare, (declarations,)) as pool:
        waiting: deque[Future[Part]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_part, chunk))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        for each in waiting:
            yield each.result()


class _Comparison:
    """Renders rows by both of their declarations."""

    def __init__(self, declarations: _Declarations) -> None:
        self._sample = declarations.sample
        self._new = _Declared(*declarations.new)
        self._old = {
            number: _Declared(text, shape, self._new.language if shape == self._new.shape else None)
            for number, (text, shape) in declarations.old.items()
        }
        self._pairs = {number: old.pair(self._new) for number, old in self._old.items()}

    def part(self, chunk: Sequence[_Row]) -> Part:
        """What becomes of these rows."""
        part = Part(self._sample)
        for row in chunk:
            old = None if row.revision is None else self._old.get(row.revision)
            if old is None or row.revision is None:
                # Nobody captures it yet, or nobody delivers it, since its triggers were there before a declaration was.
                part.add(row.key, NOTHING, self._new(row.after))
                continue
            pair = self._pairs[row.revision]
            if pair is not None and row.after is not None and row.before is row.after:
                part.add(row.key, *pair.render(row.after), old.retained)
            else:
                part.add(row.key, old(row.before), self._new(row.after), old.retained)
        return part


_comparison: _Comparison
"""Of a process that does nothing else."""


def _prepare(declarations: _Declarations) -> None:
    global _comparison
    _comparison = _Comparison(declarations)


def _part(chunk: Sequence[_Row]) -> Part:
    return _comparison.part(chunk)


class _Declared:
    """A declaration as it renders rows; one that this version can't read renders none."""

    def __init__(self, text: str, shape: RowShape, language: Language | None = None) -> None:
        """`language` is that of another declaration of the same shape."""
        self.shape = shape
        self.language = language or Language(shape)
        self._renderer: Renderer | ExpressionError
        self.retained: frozenset[str] = frozenset()
        try:
            self._renderer = read_renderer(text, shape, self.language)
        except ProblemsError as error:
            self._renderer = ExpressionError(f"its revision can't be read: {error.problems[0]}")
        else:
            self.retained = frozenset(each.id for each in self._renderer.manifests if each.delete == "retain")

    def __call__(self, row: Mapping[str, Any] | None) -> Rendering:
        if row is None:
            return NOTHING
        if isinstance(self._renderer, ExpressionError):
            return self._renderer
        return rendering(self._renderer, self.language, row)

    def pair(self, other: "_Declared") -> Pair | None:
        """Both as they render the same row, if they can."""
        one, two = self._renderer, other._renderer
        if self.language is not other.language or isinstance(one, ExpressionError) or isinstance(two, ExpressionError):
            return None
        return Pair(self.language, one, two)


def _its_rows(name: str, reach: Reach, *columns: Any) -> Select[Any]:
    query = select(*columns).select_from(rows).where(rows.c.renderer == name)
    if reach.everything:
        return query
    return query.join(environments, OF_ROW).where(within(reach, environments.c.environment))


def _as_captured(connection: Connection, name: str, reach: Reach) -> Iterator[_Row]:
    query = (
        _its_rows(name, reach, rows.c.key, rows.c.revision, rows.c.row)
        .where(~rows.c.deleted)
        .order_by(rows.c.key)
        .execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
    )
    for key, revision, row in connection.execute(query):
        yield _Row(key, revision, row, row)


def _anew(connection: Connection, renderer: Renderer) -> Iterator[_Row]:
    *settings, query = capture_of(connection, renderer.source).beside_captured()
    for statement in settings:
        connection.exec_driver_sql(statement)
    options = {"stream_results": True, "max_row_buffer": ROWS_AT_ONCE}
    for key, revision, before, after in connection.exec_driver_sql(query.replace("%", "%%"), execution_options=options):
        yield _Row(key, revision, before, after)


def _revisions(connection: Connection, name: str) -> Mapping[int, tuple[str, RowShape]]:
    """Those that rows are of."""
    its = select(rows.c.revision).where(rows.c.renderer == name, ~rows.c.deleted)
    query = select(renderers).where(renderers.c.name == name, renderers.c.revision.in_(its))
    found = connection.execute(query).mappings()
    return {each["revision"]: (each["text"], shape_of(each["shape"])) for each in found}


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
