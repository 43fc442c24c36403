"""Decides what one batch changes in the tree. Pure: the index goes in and is brought forward, with the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from rowcast.core.claims import Claims
from rowcast.core.errors import ClaimedError, PermanentError, RowcastError
from rowcast.core.layout import Layout
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Plan, Tombstones, held_of, plan
from rowcast.core.render import Desired, Manifest
from rowcast.core.row import RowKey
from rowcast.sync.targets.git.files.bundles import as_file, content_of, digest_of_file
from rowcast.sync.targets.git.files.kustomizations import update
from rowcast.sync.targets.git.files.reading import NOT_OWNED
from rowcast.sync.targets.git.files.tree_index import Entry, Index, OfAnother, Place, Unreadable, is_foreign


def expected(layout: Layout, desired: Desired) -> list[Held]:
    """A row's files as they will be. Raises PermanentError (`invalid-name`, `too-large`)."""
    desired = as_file(desired)
    places = [(layout.place(desired, manifest), manifest) for manifest in desired.manifests]
    return [held_of(path, desired, manifest, digest_of_file(manifest)) for path, manifest in places]


def refusal_of(path: str, entry: Entry) -> PermanentError | None:
    """Why nothing can be written to a path; None where it can."""
    if isinstance(entry, Unreadable):
        return PermanentError(NOT_OWNED, f"{path} cannot be read, so it is left alone: {entry.why}. Mend or remove it")
    if isinstance(entry, OfAnother):
        return PermanentError(NOT_OWNED, f"{path} is of {entry.target}; it is left alone")
    if is_foreign(entry):
        return PermanentError(NOT_OWNED, f"{path} is not managed by rowcast; it is left alone")
    return None


@dataclass(frozen=True, slots=True)
class Judged:
    """One row of the batch, what becomes of it, the paths that it leaves, and the files of other rows that it takes."""

    desired: Desired
    outcome: Outcome
    left: tuple[str, ...] = ()
    written: bool = False
    displaced: tuple[Held, ...] = ()
    new: bool = False
    fence: int = 0


@dataclass(slots=True)
class Changes:
    """A batch's effect. `files` maps each path that changes to its new content, or None where the file goes.

    `foreign` are kustomizations of somebody else, which won't have our files.
    """

    judged: list[Judged] = field(default_factory=list)
    failed: dict[RowKey, RowcastError] = field(default_factory=dict)
    files: dict[str, bytes | None] = field(default_factory=dict)
    before: dict[str, Entry] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)

    def put(self, index: Index, path: str, entry: Entry, content: bytes | None) -> None:
        """Change a path, in the index too."""
        self.before.setdefault(path, index.at(path))
        self.files[path] = content
        index.put(path, entry)


def decide(
    batch: Sequence[Desired], index: Index, tombstones: Tombstones, layout: Layout, kustomize: bool | None = False
) -> Changes:
    """Judge rows in order, each against the tree as the rows before it leave it.

    One that has to wait for another's file is judged again when the others have been. `index` is left as the batch
    makes it; `Index.restore(changes.before)` takes that back. Rows that cannot be written are in `failed` and change
    nothing. With `kustomize` None no kustomization is touched, not even to remove it.
    """
    changes = Changes()
    displaced: dict[RowKey, int] = {}
    claims = Claims(batch, lambda desired: _places(as_file(desired), layout).keys())
    tried = batch
    try:
        while tried:
            tried = claims.again(_pass(changes, tried, index, tombstones, displaced, layout, claims))
        if kustomize is not None:
            folders = sorted({path.rpartition("/")[0] for path in changes.files})
            changes.foreign = update(folders, index, kustomize, partial(changes.put, index))
    except BaseException:
        # Whoever tries again would find files that nobody has written, and take their rows for delivered.
        index.restore(changes.before)
        raise
    return changes


def _pass(
    changes: Changes,
    batch: Sequence[Desired],
    index: Index,
    tombstones: Tombstones,
    displaced: dict[RowKey, int],
    layout: Layout,
    claims: Claims,
) -> list[Desired]:
    """Judge each row once; gives those that have to wait for another one."""
    waiting = []
    for desired in batch:
        row = desired.row
        changes.failed.pop(row, None)
        try:
            as_one = as_file(desired)
            decided, wanted = _judge(as_one, index, _later(tombstones.get(row), displaced.get(row)), layout, claims)
        except RowcastError as error:
            changes.failed[row] = error
            if isinstance(error, ClaimedError):
                waiting.append(desired)
            continue
        displaced |= {other.row: other.generation for other in decided.displaced}
        _apply(changes, index, as_one, decided, wanted)
    return waiting


def bury(changes: Changes, tombstones: Tombstones) -> None:
    """Remember the fences that go with what a batch has removed, once that has arrived."""
    for one in changes.judged:
        if one.outcome is Outcome.STALE:
            continue
        for other in one.displaced:
            tombstones.bury(other.row, other.generation)
        if not one.desired.manifests:
            tombstones.bury(one.desired.row, one.desired.buries)
        elif one.desired.authoritative:
            tombstones.forget(one.desired.row)


def saved_at(changes: Changes) -> int | None:
    """When the newest of the changes was made, in seconds since 1970."""
    newest = max((one.desired.saved_at or "" for one in changes.judged if one.written or one.left), default="")
    try:
        return int(datetime.fromisoformat(newest).timestamp())
    except ValueError:
        return None


def _later(buried: int | None, displaced: int | None) -> int | None:
    return max((one for one in (buried, displaced) if one is not None), default=None)


def _places(desired: Desired, layout: Layout) -> dict[str, Manifest]:
    return {layout.place(desired, manifest): manifest for manifest in desired.manifests}


def _judge(
    desired: Desired, index: Index, tombstone: int | None, layout: Layout, claims: Claims
) -> tuple[Plan, dict[str, Manifest]]:
    wanted = _places(desired, layout)
    places = {path: index.at(path) for path in wanted}
    decided = plan(
        desired,
        own=index.own(desired.row),
        holders=[entry for entry in places.values() if isinstance(entry, Held)],
        tombstone=tombstone,
        key_of=lambda desired, manifest: layout.place(desired, manifest),
        digest_of=digest_of_file,
        is_left=claims.is_left,
    )
    refused = [refusal for path, entry in places.items() if (refusal := refusal_of(path, entry)) is not None]
    if decided.put and refused:
        raise refused[0]
    return decided, wanted


def _apply(changes: Changes, index: Index, desired: Desired, decided: Plan, wanted: dict[str, Manifest]) -> None:
    written = {path: manifest for path, manifest in wanted.items() if manifest in decided.put}
    for path, manifest in written.items():
        held = held_of(path, desired, manifest, digest_of_file(manifest))
        changes.put(index, path, held, content_of(manifest))
    for held in decided.remove:
        changes.put(index, held.key, Place.FREE, None)
    left = tuple(held.key for held in decided.remove)
    judged = Judged(desired, decided.outcome, left, bool(written), decided.displaced, decided.new, decided.fence)
    changes.judged.append(judged)
