"""Makes a declaration the newest revision of its renderer: one transaction of the database's owner."""

import getpass
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy import Connection, text

from rowcast.core.renderer import Renderer
from rowcast.core.shapes import RowShape, shape_as_json
from rowcast.crud.sources.database import MIGRATED, SourceError
from rowcast.crud.sources.installed import is_ours, missing
from rowcast.crud.sources.triggers import Capture

_LOCK = 7_769_671_833
"""Of all who apply or delete in one database."""
_NEWEST = text(
    "SELECT revision, sha256, shape FROM rowcast.renderers WHERE name = :name ORDER BY revision DESC LIMIT 1"
)
_ADD = text("""
INSERT INTO rowcast.renderers (name, revision, "text", shape, sha256, applied_by)
VALUES (:name, :revision, :text, CAST(:shape AS jsonb), :sha256, :applied_by)
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
    made it. The transaction is the caller's. Raises SourceError where the database isn't migrated, AdministratorError.
    """
    if not connection.execute(MIGRATED).scalar():
        raise SourceError("the database has no renderers yet: migrate it first (rowcast crud migrate)")
    one_at_a_time(connection)
    lacking = missing(connection, capture)
    if lacking and not is_ours(connection, capture):
        raise AdministratorError(replace(capture, owned=True).script(), lacking)
    name, digest = renderer.name, hashlib.sha256(declaration.encode()).hexdigest()
    newest = connection.execute(_NEWEST, {"name": name}).one_or_none()
    columns = shape_as_json(shape)
    # Expressions are compiled for the columns' types: the same text for other ones is another revision.
    new = newest is None or (newest.sha256, newest.shape) != (digest, columns)
    revision = (newest.revision if newest else 0) + new
    who = {"name": name, "revision": revision, "applied_by": getpass.getuser()}
    if new:
        kept = {"text": declaration, "shape": orjson.dumps(columns).decode(), "sha256": digest}
        connection.execute(_ADD, who | kept)
    connection.execute(_NOTE, {"name": name, "revision": revision})
    for statement in capture.install() if lacking else ():
        connection.exec_driver_sql(statement.replace("%", "%%"))
    captured = connection.exec_driver_sql(capture.compare().replace("%", "%%")).scalar_one()
    assigned = connection.execute(_ASSIGN, who).rowcount
    return Applied(revision, new, captured, assigned)
