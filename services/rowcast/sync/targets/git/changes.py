"""Decides what one batch changes in the tree. Pure: the index goes in and is brought forward, with the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rowcast.core.digest import digest_of_manifest
from rowcast.core.errors import PermanentError, RowcastError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Plan, Tombstones, held_of, plan
from rowcast.core.ports import RowKey
from rowcast.core.render import Desired, Manifest
from rowcast.sync.targets.git.emit import to_yaml
from rowcast.sync.targets.git.files import NOT_OWNED, path_of
from rowcast.sync.targets.git.index import Entry, Index, Place


def expected(root: str, desired: Desired) -> list[Held]:
    """A row's files as they will be. Raises PermanentError (`invalid-name`)."""
    places = [(path_of(root, desired, manifest), manifest) for manifest in desired.manifests]
    return [held_of(path, desired, manifest, digest_of_manifest(manifest)) for path, manifest in places]


@dataclass(frozen=True, slots=True)
class Judged:
    """One row of the batch, what becomes of it, and the paths that it leaves."""

    desired: Desired
    outcome: Outcome
    left: tuple[str, ...] = ()
    written: bool = False


@dataclass(slots=True)
class Changes:
    """A batch's effect. `files` maps each path that changes to its new content, or None where the file goes."""

    judged: list[Judged] = field(default_factory=list)
    failed: dict[RowKey, RowcastError] = field(default_factory=dict)
    files: dict[str, bytes | None] = field(default_factory=dict)
    before: dict[str, Entry] = field(default_factory=dict)


def decide(batch: Sequence[Desired], index: Index, tombstones: Tombstones, root: str) -> Changes:
    """Judge rows in order, each against the tree as the rows before it leave it.

    `index` is left as the batch makes it; `Index.restore(changes.before)` takes that back. Rows that cannot be written
    are in `failed` and change nothing.
    """
    changes = Changes()
    for desired in batch:
        try:
            decided, wanted = _judge(desired, index, tombstones, root)
        except PermanentError as error:
            changes.failed[desired.table, desired.row_id] = error
            continue
        _apply(changes, index, desired, decided, wanted)
    return changes


def _judge(desired: Desired, index: Index, tombstones: Tombstones, root: str) -> tuple[Plan, dict[str, Manifest]]:
    wanted = {path_of(root, desired, manifest): manifest for manifest in desired.manifests}
    places = {path: index.at(path) for path in wanted}
    decided = plan(
        desired,
        own=index.own((desired.table, desired.row_id)),
        holders=[entry for entry in places.values() if isinstance(entry, Held)],
        tombstone=tombstones.get(desired.table, desired.row_id),
        key_of=lambda desired, manifest: path_of(root, desired, manifest),
    )
    foreign = [path for path, entry in places.items() if entry is Place.FOREIGN]
    if decided.put and foreign:
        raise PermanentError(NOT_OWNED, f"{foreign[0]} is not managed by rowcast; it is left alone")
    return decided, wanted


def _apply(changes: Changes, index: Index, desired: Desired, decided: Plan, wanted: dict[str, Manifest]) -> None:
    def put(path: str, entry: Entry, content: bytes | None) -> None:
        changes.before.setdefault(path, index.at(path))
        changes.files[path] = content
        index.put(path, entry)

    written = {path: manifest for path, manifest in wanted.items() if manifest in decided.put}
    for path, manifest in written.items():
        held = held_of(path, desired, manifest, digest_of_manifest(manifest))
        put(path, held, to_yaml(manifest.body))
    for held in decided.remove:
        put(held.key, Place.FREE, None)
    changes.judged.append(
        Judged(desired, decided.outcome, tuple(held.key for held in decided.remove), written=bool(written))
    )
