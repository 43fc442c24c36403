"""In which environment a captured row is: kept beside it, so that rights and filters know it in SQL (decision 48).

It belongs to one generation of the row and never changes with that. The trigger (migration 0020) knows it at once where
it is only a column of the row; else it is found here, by what is awaited, and is unknown until then. A row whose
environment isn't known is for who may do something with all of the renderer's rows.
"""

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from anyio import to_thread
from sqlalchemy import Connection, Engine, RowMapping, and_, select, text, tuple_

from rowcast.core.renderer import ExpressionError
from rowcast.core.row import APP_CONFIGS
from rowcast.core.shapes import RowShape, shape_as_json, shape_of
from rowcast.crud.database.background import repeat
from rowcast.crud.database.connections import changing
from rowcast.crud.database.tables import environments, renderers, rows
from rowcast.renderers.cel import CelExpression, Language
from rowcast.renderers.declaration import read_environment
from rowcast.renderers.positions import ProblemsError
from rowcast.renderers.rendering import DEFAULT_ENVIRONMENT, environment_by
from rowcast.renderers.templates import single

Captured = Mapping[str, Any] | RowMapping
"""A row as `rowcast.rows` and the history have it: its `renderer`, `revision` and `row`."""
LONGEST = 253
"""Characters of an environment, which are as many as a policy can name; a longer one is not known."""
BATCH = 1_000
"""Rows in one transaction: whoever changes one of them waits for its end."""
PAUSE_SECONDS = 0.5
OF_ROW = and_(
    environments.c.renderer == rows.c.renderer,
    environments.c.key == rows.c.key,
    environments.c.generation == rows.c.generation,
)
"""Whether an environment is that of a row as it is now."""

_NAMES = text("""
SELECT DISTINCT name FROM rowcast.renderers WHERE EXISTS (SELECT FROM rowcast.environments WHERE awaited)
""")
_UNKNOWN = text(
    "SELECT renderer, count(*) AS rows FROM rowcast.environments WHERE environment IS NULL GROUP BY renderer"
)
# Of what no declaration is known for yet nothing can be found, and so much of that keeps nothing else from its turn.
_AWAITED = text("""
SELECT e.renderer, e.key, e.generation, r.revision, r.row FROM rowcast.environments AS e
JOIN rowcast.rows AS r ON (r.renderer, r.key, r.generation) = (e.renderer, e.key, e.generation)
JOIN rowcast.renderers AS declared ON (declared.name, declared.revision) = (r.renderer, r.revision)
WHERE e.awaited AND e.renderer = :name LIMIT :batch FOR UPDATE OF e SKIP LOCKED
""")
# So many rows are new to the planner's statistics after what made all of them be awaited.
_BY_INDEX = text("SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
_FOUND = text("""
UPDATE rowcast.environments AS e SET environment = found.environment, awaited = false
FROM unnest(CAST(:renderers AS text[]), CAST(:keys AS text[]), CAST(:generations AS bigint[]),
    CAST(:environments AS text[])) AS found (renderer, key, generation, environment)
WHERE (e.renderer, e.key, e.generation) = (found.renderer, found.key, found.generation) AND e.awaited
""")


class Environments:
    """Gives captured rows their environments, by the revisions that they are of, each of which is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, int], _Placement | None] = {}

    def of(self, captured: Sequence[Captured]) -> list[str | None]:
        """Where they go, in their order; None where there is no such revision, or it has no value for a row."""
        revisions = {(row["renderer"], row["revision"]) for row in captured if row["renderer"] != APP_CONFIGS}
        if wanted := revisions - self._known.keys():
            query = select(renderers.c.name, renderers.c.revision, renderers.c.text, renderers.c.shape)
            query = query.where(tuple_(renderers.c.name, renderers.c.revision).in_(wanted))
            self._known |= dict.fromkeys(wanted)
            for name, revision, declaration, shape in self._connection.execute(query):
                self._known[name, revision] = _placement(declaration, _canonical(shape))
        return [_environment(row, self._known.get((row["renderer"], row["revision"]))) for row in captured]


def environment_of(connection: Connection, row: Captured) -> str | None:
    """Where a captured row goes, as `Environments` has it."""
    return Environments(connection).of([row])[0]


def unknown_environments(connection: Connection) -> Mapping[str, int]:
    """Of how many rows the environment isn't known, by renderer; tombstones are among them."""
    return {row.renderer: row.rows for row in connection.execute(_UNKNOWN)}


def keep_environments(connection: Connection, captured: Sequence[Captured], found: Sequence[str | None]) -> None:
    """Note those of rows as they are now, so that nobody has to look for them."""
    if captured:
        columns = {name: [row[name[:-1]] for row in captured] for name in ("renderers", "keys", "generations")}
        connection.execute(_FOUND, {**columns, "environments": list(found)})


def environments_of_event(connection: Connection, event: Any) -> list[str] | None:
    """Those of the rows before and after a change, by its event; None where one can't be told."""
    data = event.get("data") if isinstance(event, dict) else None
    sides = [data.get(side) for side in ("before", "after")] if isinstance(data, dict) else []
    found = [_side(connection, side) for side in sides if side is not None]
    known = [environment for environment in found if environment is not None]
    return known if known and len(known) == len(found) else None


def plain(declaration: str, shape: RowShape) -> tuple[str | None, str | None]:
    """The column that is the environment of a declaration's rows, or the text that is; neither where it takes CEL."""
    placement = _placement(declaration, _canonical(shape_as_json(shape)))
    return placement.column, placement.constant


async def keep_found(engine: Engine) -> None:
    """Find what is awaited, again and again, as `repeat` does; several instances may, each other rows."""

    async def step() -> float:
        return 0.0 if await to_thread.run_sync(find, engine) else PAUSE_SECONDS

    waits, fails = "environments of rows wait for the database", "environments of rows could not be found"
    await repeat(step, PAUSE_SECONDS, logger="rowcast.crud.environments", waits=waits, fails=fails)


def find(engine: Engine, batch: int = BATCH) -> int:
    """Find the environments of rows that are awaited, so many of each renderer at most; how many.

    Rows that another instance is looking at, or that somebody is changing, are left out. Raises TransientError.
    """
    with changing(engine) as connection:
        names = connection.execute(_NAMES).scalars().all()
    count = 0
    for name in names:
        with changing(engine) as connection:
            connection.execute(_BY_INDEX)
            awaited = connection.execute(_AWAITED, {"name": name, "batch": batch}).mappings().all()
            keep_environments(connection, awaited, Environments(connection).of(awaited))
            count += len(awaited)
    return count


class _Placement:
    """What gives the rows of one revision their environment."""

    def __init__(self, declaration: str, shape: RowShape) -> None:
        self.column: str | None = None
        self.constant: str | None = None
        # Expressions keep what they were asked last, and threads ask at once.
        self._turn = threading.Lock()
        self._language = Language(shape)
        self._readable = True
        try:
            self._template = read_environment(declaration, shape, self._language)
        except ProblemsError:
            # It was checked when it was applied: by another version of the language, then. sync delivers none of it.
            self._readable = False
            return
        whole = single(self._template)
        if self._template is None or isinstance(whole, str):
            self.constant = whole or DEFAULT_ENVIRONMENT
        elif isinstance(whole, CelExpression) and whole.column is not None and whole.column.type == "string":
            self.column = whole.column.name

    def of(self, row: Mapping[str, Any]) -> str | None:
        """The environment of a captured row. What the trigger knows without CEL is the same here."""
        if self.constant is not None:
            return self.constant
        value = row.get(self.column) if self.column is not None else None
        if not isinstance(value, str):
            value = self._evaluated(row)
        return None if value is None or len(value) > LONGEST else value or DEFAULT_ENVIRONMENT

    def _evaluated(self, row: Mapping[str, Any]) -> str | None:
        if not self._readable:
            return None
        try:
            with self._turn:
                return environment_by(self._template, self._language, row)
        except ExpressionError:
            return None


@lru_cache(maxsize=256)
def _placement(declaration: str, shape: bytes) -> _Placement:
    return _Placement(declaration, shape_of(orjson.loads(shape)))


def _canonical(shape: Mapping[str, Any]) -> bytes:
    return orjson.dumps(shape, option=orjson.OPT_SORT_KEYS)


def _environment(row: Captured, placement: _Placement | None) -> str | None:
    if row["renderer"] == APP_CONFIGS:
        environment = row["row"].get("environment")
        return environment if isinstance(environment, str) else None
    return None if placement is None else placement.of(row["row"])


def _side(connection: Connection, side: Any) -> str | None:
    """Of a row as an event has it: of `rowcast.rows`, or of the configurations' own table."""
    if not isinstance(side, dict):
        return None
    if "renderer" not in side:
        environment = side.get("environment")
        return environment if isinstance(environment, str) else None
    try:
        row = {"renderer": side["renderer"], "revision": side["revision"], "row": orjson.loads(side["row"])}
    except (KeyError, TypeError, orjson.JSONDecodeError):
        return None  # cut off, or nothing that capture wrote
    whole = isinstance(row["renderer"], str) and type(row["revision"]) is int and isinstance(row["row"], dict)
    return environment_of(connection, row) if whole and 0 <= row["revision"] < 2**63 else None
