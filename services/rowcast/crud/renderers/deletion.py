"""Deletes a renderer: its table is no more captured, and its rows go the ordinary way of rows that are deleted.

What says that a renderer is there is its row of `rowcast.sources`. Its revisions stay, and so do its rows, as
tombstones: a name that is used again goes on from both. Every function works in the caller's transaction, which holds
the lock of those who apply.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from rowcast.core.reconcile import prunable
from rowcast.core.renderer import Renderer
from rowcast.core.row import APP_CONFIGS
from rowcast.core.shapes import shape_of
from rowcast.crud.renderers import revisions
from rowcast.crud.sources.apply import one_at_a_time
from rowcast.crud.sources.database import SourceError
from rowcast.crud.sources.installed import installed_by_others
from rowcast.crud.sources.triggers import removal
from rowcast.renderers.declaration import read_renderer

BATCH = 1000
"""Rows in one transaction: as many events wait in the log until it ends."""

_COUNTS = text("""
SELECT (SELECT count(*) FROM rowcast.rows WHERE NOT deleted AND renderer <> :ours)
        + (SELECT count(*) FROM public.app_configs) AS in_all,
    (SELECT count(*) FROM rowcast.rows WHERE renderer = :name AND NOT deleted) AS its
""")
_FORGET = text("DELETE FROM rowcast.sources WHERE renderer = :name")
_IS_THERE = text("SELECT EXISTS (SELECT FROM rowcast.sources WHERE renderer = :name)")
_REMOVE = text("""
UPDATE rowcast.rows SET deleted = true, generation = generation + 1, actor = :actor, actor_verified = false,
    traceparent = NULL, changed_at = now()
WHERE renderer = :name AND key IN (
    SELECT key FROM rowcast.rows WHERE renderer = :name AND NOT deleted ORDER BY key LIMIT :batch)
""")
_UNDELIVERED = text("""
SELECT count(*) FROM rowcast.rows AS row WHERE row.renderer = :name AND NOT row.deleted AND NOT (
    row.revision = :revision AND (
        SELECT coalesce(bool_and(NOT deleted AND error IS NULL AND outcome <> 'dead-lettered'
            AND observed_generation >= row.generation), false)
        FROM rowcast.statuses AS status WHERE (status.renderer, status.key) = (row.renderer, row.key)))
""")


@dataclass(frozen=True)
class Deletion:
    """What is asked for: `retain` leaves the objects behind; `prune_limit` is a share (0 to 1) of all rows."""

    name: str
    retain: bool
    prune_limit: float


def begin(connection: Connection, deletion: Deletion) -> int:
    """Take away what captures the table, and say how many rows are left to be removed. Run again, it goes on.

    Raises SourceError for what can't be, and then nothing has changed.
    """
    name = deletion.name
    one_at_a_time(connection)
    if name == APP_CONFIGS:
        raise SourceError(f"{APP_CONFIGS} is built in")
    found = revisions.get(connection, name)
    if found is None:
        raise SourceError(f"there is no renderer {name}")
    if others := installed_by_others(connection, name):
        raise SourceError(
            f"this login may not take away {', '.join(others)}: let an administrator run what"
            " rowcast renderer sql --remove prints, and delete again"
        )
    # From here on no writer adds a row.
    connection.exec_driver_sql(removal(name).replace("%", "%%"))
    counts = connection.execute(_COUNTS, {"name": name, "ours": APP_CONFIGS}).mappings().one()
    _refuse_too_many(counts["its"], counts["in_all"], deletion.prune_limit)
    if deletion.retain:
        renderer = read_renderer(found["text"], shape_of(found["shape"]))
        _refuse_to_leave_half(connection, renderer, found["revision"])
    connection.execute(_FORGET, {"name": name})
    return int(counts["its"])


def remove_rows(connection: Connection, name: str, actor: str, batch: int = BATCH) -> int:
    """Delete its next rows, each a new generation; how many those were, 0 at the end.

    Raises SourceError if it has been applied again meanwhile.
    """
    one_at_a_time(connection)
    if connection.execute(_IS_THERE, {"name": name}).scalar():
        raise SourceError(f"{name} has been applied again meanwhile: its rows are live")
    return connection.execute(_REMOVE, {"name": name, "actor": actor, "batch": batch}).rowcount


def _refuse_too_many(its: int, in_all: int, limit: float) -> None:
    allowed = prunable(in_all, limit)
    if its > allowed:
        raise SourceError(
            f"would remove {its} of {in_all} rows, {its / in_all:.0%}, and the limit is {limit:.0%} ({allowed} rows);"
            " --prune-limit 1 lets all go"
        )


def _refuse_to_leave_half(connection: Connection, renderer: Renderer, revision: int) -> None:
    """What a target leaves behind is what the object says of itself, which is what it was delivered with."""
    if going := [manifest.id for manifest in renderer.manifests if manifest.delete != "retain"]:
        raise SourceError(
            f"the objects of {', '.join(going)} can't be left behind: the declaration says delete: delete of them."
            " Apply it with delete: retain, let its rows follow, and delete it then"
        )
    undelivered = connection.execute(_UNDELIVERED, {"name": renderer.name, "revision": revision}).scalar_one()
    if undelivered:
        raise SourceError(
            f"{undelivered} rows aren't delivered by revision {revision} yet, which says delete: retain:"
            " their objects would go, or stay in part. Delete it once they are"
        )
