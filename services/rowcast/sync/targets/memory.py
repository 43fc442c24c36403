"""The fake that ships with the `Target` port: a target in memory, judged by the same plan as the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from rowcast.core.claims import Claims
from rowcast.core.digest import digest_of_manifest
from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Plan, Tombstones, held_of, plan
from rowcast.core.ports import Delivered, DriftListener, Failed, Result, is_claimed
from rowcast.core.preview import Preview, Shown, without_lsn
from rowcast.core.reconcile import HeldInventory, Inventory
from rowcast.core.render import Desired, Manifest
from rowcast.core.row import RowKey


@dataclass(frozen=True, slots=True)
class Stored:
    """One object. `held` is None for an object that is not ours."""

    held: Held | None
    manifest: Manifest


@dataclass(slots=True)
class MemoryStore:
    """The place itself, which outlives the targets that deliver to it."""

    objects: dict[str, Stored] = field(default_factory=dict)
    tombstones: Tombstones = field(default_factory=Tombstones)
    version: int = 0
    """Rises with every write, as a resourceVersion does."""


@dataclass(slots=True)
class MemoryTarget:
    """The `Target` port over a `MemoryStore`.

    Switches for tests: `down` fails every call with a TransientError of that text; `refused` maps a row to the error
    that its delivery ends with.
    """

    store: MemoryStore = field(default_factory=MemoryStore)
    name: str = "memory"
    down: str | None = None
    refused: dict[RowKey, RowcastError] = field(default_factory=dict)
    tries: int = 0
    """How often something was to be delivered."""

    def expect(self, desired: Desired) -> Sequence[Held]:
        """Its manifests, each as it will be held."""
        return [_held(_place(desired, manifest), desired, manifest) for manifest in desired.manifests]

    def known(self, row: RowKey) -> Sequence[Held]:
        """What the store holds of a row."""
        return [held for held in self._held() if held.row == row]

    def listen(self, listener: DriftListener) -> None:
        """Nobody else changes it behind our back, or the test tells."""

    async def start(self) -> None:
        """Nothing to connect to; fails while `down`."""
        self._answer()

    async def close(self) -> None:
        """Nothing to let go of."""

    async def check(self) -> None:
        """Fails while `down`."""
        self._answer()

    async def inventory(self) -> Inventory:
        """What the store holds of ours."""
        self._answer()
        return HeldInventory(self._held())

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Deliver rows in order. Raises TransientError while `down`."""
        self.tries += 1
        self._answer()
        results: dict[RowKey, Result] = {}
        claims = Claims(batch, lambda desired: {_place(desired, manifest) for manifest in desired.manifests})
        tried = batch
        while tried:
            results |= {desired.row: self._deliver(desired, claims) for desired in tried}
            tried = claims.again([desired for desired in tried if is_claimed(results[desired.row])])
        return results

    async def preview(self, desired: Desired) -> Preview:
        """Its manifest over what the store holds. Raises TransientError while `down`."""
        self._answer()
        (manifest,) = desired.manifests
        row, place = desired.row, _place(desired, manifest)
        there, error = self.store.objects.get(place), self.refused.get(row)
        if there is not None and there.held is None:
            error = PermanentError("not-owned", f"{desired.name} is not managed by rowcast; it is left alone")
        refusal = error if isinstance(error, PermanentError) else None
        refused = ((0, refusal),) if refusal is not None else ()
        return Preview(place, _text(manifest), self._shown(row), refusal, refused)

    async def live(self, row: RowKey) -> Shown | None:
        """What the store holds of a row. Raises TransientError while `down`."""
        self._answer()
        return self._shown(row)

    def _shown(self, row: RowKey) -> Shown | None:
        for place, stored in self.store.objects.items():
            if stored.held is not None and stored.held.row == row:
                return Shown(place, _text(stored.manifest), str(self.store.version))
        return None

    def _answer(self) -> None:
        if self.down is not None:
            raise TransientError(self.down)

    def _held(self) -> list[Held]:
        return [stored.held for stored in self.store.objects.values() if stored.held is not None]

    def _deliver(self, desired: Desired, claims: Claims) -> Result:
        row = desired.row
        try:
            if row in self.refused:
                raise self.refused[row]
            decided = self._judge(desired, claims)
        except RowcastError as error:
            return Failed(error)
        self._execute(desired, decided)
        written = bool(decided.put or decided.remove)
        return Delivered(decided.outcome, str(self.store.version) if written else None, decided.new, decided.fence)

    def _judge(self, desired: Desired, claims: Claims) -> Plan:
        row = desired.row
        places = [self.store.objects.get(_place(desired, manifest)) for manifest in desired.manifests]
        found = [stored for stored in places if stored is not None]
        decided = plan(
            desired,
            own=self.known(row),
            holders=_ours(found),
            tombstone=self.store.tombstones.get(row),
            key_of=_place,
            is_left=claims.is_left,
        )
        if decided.put and any(stored.held is None for stored in found):
            raise PermanentError("not-owned", f"{desired.name} is not managed by rowcast; it is left alone")
        return decided

    def _execute(self, desired: Desired, decided: Plan) -> None:
        for manifest in decided.put:
            key = _place(desired, manifest)
            self.store.objects[key] = Stored(_held(key, desired, manifest), manifest)
        for held in decided.remove:
            del self.store.objects[held.key]
        self.store.version += len(decided.put) + len(decided.remove)
        for other in decided.displaced:
            self.store.tombstones.bury(other.row, other.generation)
        if not desired.manifests and decided.outcome is not Outcome.STALE:
            self.store.tombstones.bury(desired.row, desired.buries)
        elif desired.authoritative and decided.outcome is not Outcome.STALE:
            self.store.tombstones.forget(desired.row)


def _text(manifest: Manifest) -> str:
    body = {**manifest.body, "metadata": without_lsn(manifest.body["metadata"])}
    return yaml.safe_dump(body, sort_keys=False)


def _place(desired: Desired, manifest: Manifest) -> str:
    return f"{desired.environment}/{manifest.type.place(manifest.name, manifest.namespace)}"


def _held(key: str, desired: Desired, manifest: Manifest) -> Held:
    return held_of(key, desired, manifest, digest_of_manifest(manifest))


def _ours(found: Iterable[Stored]) -> list[Held]:
    return [stored.held for stored in found if stored.held is not None]
