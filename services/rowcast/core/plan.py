"""Planning: from what a row should be and what the target holds to what has to be done. Pure.

The fence is the row's generation. A name is contended for by different rows only across renames and re-creations, and
then the database gave it to one row at a time: the claim with the higher LSN is the later one and wins.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from rowcast.core.digest import digest_of_manifest
from rowcast.core.errors import ClaimedError
from rowcast.core.events import Change
from rowcast.core.outcomes import Outcome
from rowcast.core.render import LSN, Desired, Manifest
from rowcast.core.row import APP_CONFIGS, RowKey


@dataclass(frozen=True, slots=True)
class Held:
    """An object at a target that carries our labels. `key` is its place there: an object's or a file's path.

    `digest` is of what we own of it; each target computes it in its own way, for what it holds as for what it expects.
    """

    key: str
    row: RowKey
    generation: int
    lsn: int
    digest: str = ""


def held_of(key: str, desired: Desired, manifest: Manifest, digest: str) -> Held:
    """A rendered manifest as it will be held. Its LSN is the one written in it, which `desired` may go beyond."""
    written = manifest.body["metadata"]["annotations"].get(LSN, "")
    lsn = int(written) if written.isdigit() else desired.lsn
    return Held(key, desired.row, desired.generation, lsn, digest)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one row: first `put`, then `remove`; nothing of both means the outcome stands as it is.

    `displaced` are other rows' objects that `put` overwrites: with them goes those rows' fence, so whoever executes
    this has to bury them. Their next events are about later generations, or deletions. `new`: something is put where
    the row had nothing, so that no older state of it stands guard. `fence` is the generation that made a state stale.
    """

    outcome: Outcome
    put: tuple[Manifest, ...] = ()
    remove: tuple[Held, ...] = ()
    displaced: tuple[Held, ...] = ()
    new: bool = field(default=False, compare=False)
    fence: int = field(default=0, compare=False)


def plan(
    desired: Desired,
    own: Iterable[Held],
    holders: Iterable[Held],
    tombstone: int | None,
    key_of: Callable[[Desired, Manifest], str],
    digest_of: Callable[[Manifest], str] = digest_of_manifest,
    is_left: Callable[[Held], bool] = lambda _: False,
) -> Plan:
    """Judge one row.

    `own` is what the target holds for this row, `holders` what it holds at the places where the row's manifests go
    (of whichever row), `tombstone` the generation at which the row was seen deleted, if it was. `digest_of` is the
    target's own, as in its inventory. `is_left`: what another row has may be overwritten (`Claims`).

    An authoritative state was just read from the table: it puts right what is there at its own generation but not as
    rendered, and it goes below delivered generations and over tombstones up to the one that it `supersedes`.

    Raises ClaimedError for what another row has, where that is not to be overwritten.
    """
    own = tuple(own)
    delivered = max((held.generation for held in own), default=0)
    if tombstone is not None and (desired.generation, desired.deleted) < (tombstone, True):
        left = () if desired.authoritative else tuple(held for held in own if held.generation <= tombstone)
        if not _supersedes(desired, max(tombstone, delivered)):
            return Plan(Outcome.STALE, remove=left, fence=max(tombstone, delivered))
    if desired.generation < delivered and not _supersedes(desired, delivered):
        return Plan(Outcome.STALE, fence=delivered)
    if desired.deleted:
        return Plan(Outcome.DELETED if own else Outcome.UNCHANGED, remove=own)

    others = [held for held in holders if held.row != desired.row]
    kept = [other for other in others if not is_left(other)]
    if kept and {desired.row.renderer, *(other.row.renderer for other in kept)} != {APP_CONFIGS}:
        # Nothing but the table of configurations says that a name is one row's at a time: so nobody is overwritten.
        text = f"{kept[0].key} is of row {kept[0].row}, which has to let go of it first"
        raise ClaimedError(text, (other.row for other in kept))
    if any(other.lsn > desired.lsn for other in kept):
        # The row has lost this name since; a later event of it says to which.
        return Plan(Outcome.STALE)
    wanted = {key_of(desired, manifest): manifest for manifest in desired.manifests}
    current = {held.key: held for held in own}
    remove = tuple(held for key, held in current.items() if key not in wanted)
    put = {
        key: manifest
        for key, manifest in wanted.items()
        if key not in current or _outdated(current[key], desired, manifest, digest_of)
    }
    if not put and not remove:
        return Plan(Outcome.UNCHANGED)
    outcome = Outcome.CONFIGURED if own else Outcome.CREATED
    displaced = tuple(other for other in others if other.key in put)
    new = any(key not in current for key in put)
    return Plan(outcome, tuple(put.values()), remove, displaced, new)


def _supersedes(desired: Desired, generation: int) -> bool:
    return desired.authoritative and generation <= desired.supersedes


def _outdated(held: Held, desired: Desired, manifest: Manifest, digest_of: Callable[[Manifest], str]) -> bool:
    if not desired.authoritative:
        return held.generation < desired.generation
    # An LSN from the future is of another timeline: left there, it would fend off later claims to the name.
    return held.generation != desired.generation or held.lsn > desired.lsn or held.digest != digest_of(manifest)


def latest(changes: Iterable[Change]) -> Mapping[RowKey, Change]:
    """The newest change of each row, in order of first appearance; each says what it `follows`.

    State, not commands: what lies between two states of a batch need not be delivered.
    """
    newest: dict[RowKey, Change] = {}
    generations: dict[RowKey, set[int]] = {}
    for change in changes:
        key = change.row
        generations.setdefault(key, set()).add(change.state.generation)
        seen = newest.get(key)
        if seen is None or change.order >= seen.order:
            newest[key] = change
    return {key: replace(change, follows=_run(generations[key], change)) for key, change in newest.items()}


def _run(generations: Set[int], newest: Change) -> int:
    first = newest.state.generation
    while first - 1 in generations:
        first -= 1
    return first


class Tombstones:
    """The generations at which rows were seen deleted or displaced, the last `capacity` of them.

    Keys are never reused without a higher generation, so that a tombstone is never wrong, only forgotten.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._generations: OrderedDict[RowKey, int] = OrderedDict()

    def get(self, row: RowKey) -> int | None:
        """The generation up to which the row is no news, but for a deletion at it; None if that is not known."""
        return self._generations.get(row)

    def bury(self, row: RowKey, generation: int) -> None:
        """Remember that what there was of a row is gone."""
        self._generations[row] = max(generation, self._generations.pop(row, 0))
        while len(self._generations) > self._capacity:
            self._generations.popitem(last=False)

    def forget(self, row: RowKey) -> None:
        """The table has the row again."""
        self._generations.pop(row, None)


class Begun:
    """Deliveries that have not come to their end: of each row the outcome that its last one began, and whether that
    made something new.

    The other side may have done what it did not answer to, and whoever tries again finds that nothing is left to do.
    At most so many are kept, the latest: of rows that another instance has taken on nothing comes here any more.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._rows: OrderedDict[RowKey, tuple[int, bool, Outcome, bool]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, desired: Desired) -> tuple[Outcome, bool] | None:
        """What a delivery of this state has begun; None if none did."""
        generation, deleted, outcome, new = self._rows.get(desired.row, (0, False, Outcome.STALE, False))
        return (outcome, new) if (generation, deleted) == (desired.generation, desired.deleted) else None

    def begin(self, desired: Desired, outcome: Outcome, *, new: bool) -> None:
        """Remember it, unless one of this state has begun before."""
        if self.get(desired) is None:
            self._rows[desired.row] = (desired.generation, desired.deleted, outcome, new)
            self._rows.move_to_end(desired.row)
            while len(self._rows) > self._limit:
                self._rows.popitem(last=False)

    def end(self, row: RowKey) -> None:
        """Its delivery has ended, or there is something newer."""
        self._rows.pop(row, None)
