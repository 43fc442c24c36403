"""Makes a declaration the newest revision of its renderer: one transaction of the database's owner."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import Connection, text

from rowcast.core.renderer import Renderer
from rowcast.core.rollout import UNDER_WAY
from rowcast.core.shapes import RowShape, shape_as_json
from rowcast.crud.sources.database import MIGRATED, SourceError
from rowcast.crud.sources.environments import plain
from rowcast.crud.sources.installed import is_ours, missing
from rowcast.crud.sources.triggers import Capture
from rowcast.renderers.declaration import read_source
from rowcast.runtime.person import this_user

_LOCK = 7_769_671_833
"""Of all who apply or delete in one database."""
_NEWEST = text(
    "SELECT revision, sha256, shape FROM rowcast.renderers WHERE name = :name ORDER BY revision DESC LIMIT 1"
)
_ADD = text("""
INSERT INTO rowcast.renderers
    (name, revision, "text", shape, sha256, applied_by, environment_column, environment_text)
VALUES (:name, :revision, :text, CAST(:shape AS jsonb), :sha256, :applied_by, :column, :constant)
""")
_NOTE = text("""
INSERT INTO rowcast.sources (renderer, revision) VALUES (:name, :revision)
ON CONFLICT (renderer) DO UPDATE SET revision = excluded.revision
""")
_ASSIGN = text("""
UPDATE rowcast.rows SET revision = :revision, generation = generation + 1, actor = :applied_by, changed_at = now(),
    actor_verified = false, traceparent = NULL
WHERE renderer = :name AND NOT deleted AND revision <> :revision
""")
"""Assigning a revision raises the generation: a change of the template is one of each row."""
_UNDER_WAY = text("SELECT id, state FROM rowcast.rollouts WHERE renderer = :name AND state = ANY (:states)")
_BY_NOW = text("""
SELECT renderer."text", renderer.shape FROM rowcast.renderers AS renderer
JOIN rowcast.sources AS source ON source.renderer = renderer.name AND source.revision = renderer.revision
WHERE renderer.name = :name
""")
"""By what rows are captured."""


class AdministratorError(SourceError):
    """This login may not make what captures a table; `script` is the SQL that an administrator has to run."""

    def __init__(self, script: str, lacking: Sequence[str]) -> None:
        others = f", nor are {len(lacking) - 1} more" if len(lacking) > 1 else ""
        super().__init__(
            f"this login may not make what captures the table, and {lacking[0]} isn't there as this declaration needs"
            f" it{others}: let an administrator run the SQL that is printed (or: renderer sql), and apply again"
        )
        self.script = script


@dataclass(frozen=True)
class Applied:
    """What was made of a declaration. `new`: it is another one than before, or for other columns; `captured`: rows that
    were written anew; `assigned`: rows that go on by the new revision.
    """

    revision: int
    new: bool
    captured: int
    assigned: int


def one_at_a_time(connection: Connection) -> None:
    """Waits until nobody else applies or deletes a renderer of this database; holds to the transaction's end."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def apply(connection: Connection, declaration: str, renderer: Renderer, shape: RowShape, capture: Capture) -> Applied:
    """Keep the declaration, install what captures its table, and let its rows follow. Run again, it changes nothing.

    What captures the table is left as it is where it is just what this declaration needs: an administrator may have
    made it. The transaction is the caller's. Raises SourceError where the database isn't migrated, or a roll-out is
    under way, AdministratorError.
    """
    _begin(connection)
    name = renderer.name
    rollout = connection.execute(_UNDER_WAY, {"name": name, "states": list(UNDER_WAY)}).one_or_none()
    if rollout is not None:
        raise SourceError(
            f"roll-out {rollout.id} of {name} is {rollout.state}: wait for its end, or end it"
            " (rowcast renderer rollout abort), before all rows follow at once"
        )
    lacking = missing(connection, capture)
    if lacking and not is_ours(connection, capture):
        raise AdministratorError(replace(capture, owned=True).script(), lacking)
    revision, new = _keep(connection, declaration, renderer, shape)
    who = {"name": name, "revision": revision, "applied_by": this_user()}
    connection.execute(_NOTE, {"name": name, "revision": revision})
    for statement in capture.install() if lacking else ():
        connection.exec_driver_sql(statement.replace("%", "%%"))
    captured = connection.exec_driver_sql(capture.compare().replace("%", "%%")).scalar_one()
    assigned = connection.execute(_ASSIGN, who).rowcount
    return Applied(revision, new, captured, assigned)


def store(connection: Connection, declaration: str, renderer: Renderer, shape: RowShape) -> Applied:
    """Keep the declaration as a revision by which no row goes on yet: a roll-out may bring them to it.

    The transaction is the caller's. Raises SourceError for one that captures anything else than rows are captured by.
    """
    _begin(connection)
    now = connection.execute(_BY_NOW, {"name": renderer.name}).one_or_none()
    if now is None:
        raise SourceError(f"{renderer.name} isn't applied yet: its first revision is one of all rows")
    before = replace(read_source(now.text), edit=False)
    if (before, now.shape) != (replace(renderer.source, edit=False), shape_as_json(shape)):
        raise SourceError(
            f"{renderer.name} captures another table, or other columns, than rows are captured by now: that can't be"
            " done in steps (rowcast renderer apply)"
        )
    return Applied(*_keep(connection, declaration, renderer, shape), 0, 0)


def _begin(connection: Connection) -> None:
    if not connection.execute(MIGRATED).scalar():
        raise SourceError("the database isn't migrated for this version: migrate it first (rowcast crud migrate)")
    one_at_a_time(connection)


def _keep(connection: Connection, declaration: str, renderer: Renderer, shape: RowShape) -> tuple[int, bool]:
    """The revision that the declaration is, and whether it is a new one."""
    name, digest = renderer.name, hashlib.sha256(declaration.encode()).hexdigest()
    newest = connection.execute(_NEWEST, {"name": name}).one_or_none()
    columns = shape_as_json(shape)
    # Expressions are compiled for the columns' types: the same text for other ones is another revision.
    new = newest is None or (newest.sha256, newest.shape) != (digest, columns)
    revision = (newest.revision if newest else 0) + new
    if new:
        kept = {"text": declaration, "shape": orjson.dumps(columns).decode(), "sha256": digest}
        column, constant = plain(declaration, shape)
        where = {"column": column, "constant": constant}
        connection.execute(_ADD, {"name": name, "revision": revision, "applied_by": this_user(), **kept, **where})
    return revision, new
