"""Delivers rows to a namespace: judges against a view of it, writes under preconditions, looks again when refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from tenacity import AsyncRetrying, wait_random_exponential

from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Held, Plan, Tombstones, held_of, plan
from rowcast.core.ports import Delivered, DriftListener, Failed, Result
from rowcast.core.preview import Preview, Shown
from rowcast.core.render import RENDERERS, Desired, Manifest, ResourceType
from rowcast.core.row import RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.targets.kubernetes.api import (
    PATIENCE,
    QUICK_SECONDS,
    REQUEST_SECONDS,
    Api,
    AwayError,
    ConflictError,
    ExpiredError,
)
from rowcast.sync.targets.kubernetes.drift import Suspects
from rowcast.sync.targets.kubernetes.locks import NameLocks
from rowcast.sync.targets.kubernetes.login import configuration
from rowcast.sync.targets.kubernetes.objects import Live, View, digest_of_object, homed
from rowcast.sync.targets.kubernetes.permission import permitted
from rowcast.sync.targets.kubernetes.preview import preview, shown

SHOWN = 20
CONFLICTS = 10
"""How often a row is judged anew within one delivery; more means a fight, which Dapr's backoff calms better."""


class KubernetesTarget:
    """The `Target` port over one namespace of one API server."""

    name = "k8s"

    def __init__(self, api: Api, tombstones: Tombstones | None = None) -> None:
        self._api = api
        self._view = View()
        self._suspects = Suspects(self._view)
        self._locks = NameLocks()
        self._tombstones = tombstones or Tombstones()
        # By place, the digest of what was applied and of what admission made of it, where that is something else.
        self._made: dict[str, tuple[str, str]] = {}
        self._types = list(dict.fromkeys(resource for r in RENDERERS.values() for resource in r.types))
        self._watches: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()
        self._log = get_logger("rowcast.target")

    def expect(self, desired: Desired) -> Sequence[Held]:
        """A row's objects."""
        desired = homed(desired, self._api.namespace)
        return [
            held_of(self._api.place(manifest), desired, manifest, self._digest(desired.row, manifest))
            for manifest in self._changeable(desired)
        ] + [held for manifest in desired.manifests if (held := self._once(desired, manifest)) is not None]

    def known(self, row: RowKey) -> Sequence[Held]:
        """The row's objects, as the watch shows them."""
        return [live.held for live in self._view.own(row) if live.held is not None]

    def listen(self, listener: DriftListener) -> None:
        """Tell of what the watch shows and no write of ours explains."""
        self._suspects.listen(listener)

    async def start(self) -> None:
        """Read the inventory and keep it current from then on."""
        if self._watches:
            return
        starts = [(resource, await self._list(resource)) for resource in self._types]
        self._watches = [asyncio.create_task(self._follow(resource, version)) for resource, version in starts]

    async def know(self, types: Iterable[ResourceType]) -> None:
        """Follow objects of these types as well, whichever of them are ours. Raises TransientError."""
        for resource in types:
            if resource in self._types:
                continue
            async with self._turn:
                if resource not in self._types:
                    version = await permitted(self._api, "list", resource, partial(self._list, resource))
                    self._types.append(resource)
                    self._watches.append(asyncio.create_task(self._follow(resource, version)))

    async def close(self) -> None:
        """End the watches and the connections."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches = []
        await self._api.close()

    async def check(self) -> None:
        """Ask the API server whether we may apply."""
        for resource in self._types:
            for verb in ("list", "watch", "create", "patch", "delete"):
                if not await self._api.allowed(verb, resource):
                    named = f"{resource.plural or resource.kind}.{resource.group}".removesuffix(".")
                    raise TransientError(f"not allowed to {verb} {named}")

    async def inventory(self) -> Sequence[Held]:
        """What the API server holds of ours, read anew."""
        found: list[Held] = []
        for resource in self._types:
            objects, version = await self._api.list_all(resource)
            seen = [self._view.believed(live) for live in objects]
            self._view.refresh(resource, seen, int(version))
            found += [live.held for live in seen if live.held is not None]
            unknown = [live.key for live in seen if live.remarked and live.held is None]
            if unknown:
                # One that a row wants is taken up again by the row's delivery, which a reconcile now begins.
                self._log.warning("marks of ours were changed by hand", count=len(unknown), objects=unknown[:SHOWN])
        return found

    async def preview(self, desired: Desired) -> Preview:
        """By a dry run of the very apply that would be made. The view, the fence and the locks have no part in it."""
        return await preview(self._api, homed(desired, self._api.namespace), self._view.own(desired.row))

    async def live(self, row: RowKey) -> Shown | None:
        """The row's object as the API server has it."""
        return await shown(self._api, self._view.own(row))

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Deliver rows in parallel. Once one finds the API server away, those not begun fail with it at once.

        What one row alone has to wait for, such as a webhook that doesn't answer, is that row's failure: soon where it
        is new, since others wait for the answer, and later where it is tried again.
        """
        away: list[AwayError] = []

        async def one(desired: Desired) -> Result:
            if away:
                return Failed(away[0])
            PATIENCE.set(REQUEST_SECONDS if desired.again else QUICK_SECONDS)
            try:
                return await self._deliver(desired)
            except AwayError as error:
                away.append(error)
                return Failed(error)
            except RowcastError as error:
                return Failed(error)

        results = await asyncio.gather(*(one(desired) for desired in batch))
        return {desired.row: result for desired, result in zip(batch, results, strict=True)}

    async def _deliver(self, desired: Desired) -> Result:
        row = desired.row
        desired = homed(desired, self._api.namespace)
        await self.know(manifest.type for manifest in desired.manifests)
        wanted = {self._api.place(manifest) for manifest in desired.manifests}
        conflict: ConflictError | None = None
        for _ in range(CONFLICTS):
            places = wanted | {live.key for live in self._view.own(row)}
            async with self._locks.hold(places):
                if not {live.key for live in self._view.own(row)} <= places:
                    continue  # the row got another object while we waited for the locks
                try:
                    if desired.authoritative:
                        await self._look_again(desired)  # the view may not show yet what somebody else did
                    return await self._execute(desired, self._judge(desired, wanted))
                except ConflictError as error:
                    conflict = error
                    await self._look_again(desired)
        raise conflict or ConflictError(f"{desired.name}: the row's objects keep changing")

    def _judge(self, desired: Desired, wanted: set[str]) -> Plan:
        there = [live for key in sorted(wanted) if (live := self._view.at(key)) is not None]
        decided = plan(
            desired,
            own=self.known(desired.row),
            holders=[live.held for live in there if live.held is not None],
            tombstone=self._tombstones.get(desired.row),
            key_of=lambda _, manifest: self._api.place(manifest),
            digest_of=partial(self._digest, desired.row),
        )
        adopted = {self._api.place(one) for one in desired.manifests if one.conflict == "adopt"}
        for live in there:
            if decided.outcome is not Outcome.STALE and live.finalizers is not None:
                raise TransientError(_terminating(live))
            left = live.left_by is not None
            ours = (live.left_by == str(desired.row)) if left else live.remarked
            ours = ours or live.key in adopted
            if decided.put and live.held is None and not ours:
                raise PermanentError("not-owned", f"{live.key} exists and is not managed by rowcast; it is left alone")
        once = {id(one) for one in desired.manifests if self._once(desired, one) is not None}
        return replace(decided, put=tuple(one for one in decided.put if id(one) not in once)) if once else decided

    def _once(self, desired: Desired, manifest: Manifest) -> Held | None:
        """The object of a manifest that is only made where there is none: as it is, it is as it should be."""
        live = self._view.at(self._api.place(manifest)) if manifest.create == "once" else None
        return live.held if live is not None and live.held is not None and live.held.row == desired.row else None

    def _changeable(self, desired: Desired) -> list[Manifest]:
        return [manifest for manifest in desired.manifests if self._once(desired, manifest) is None]

    def _digest(self, row: RowKey, manifest: Manifest) -> str:
        """Of what the API server is known to make of a manifest, or else of the manifest."""
        digest = digest_of_object(row, manifest)
        applied, made = self._made.get(self._api.place(manifest), ("", ""))
        return made if applied == digest else digest

    async def _execute(self, desired: Desired, decided: Plan) -> Result:
        reference: str | None = None
        changed: list[str] = []
        for manifest in decided.put:
            apply = partial(self._api.apply, manifest, over=self._view.at(self._api.place(manifest)))
            live = await permitted(self._api, "patch", manifest.type, apply)
            self._view.observe(live)
            self._suspects.explain(live.key, live.version)
            self._remember(desired.row, manifest, live)
            reference = live.resource_version
            changed += live.changed
        for other in decided.displaced:
            self._tombstones.bury(other.row, other.generation)
        # What is in a namespace before what may be that namespace.
        for held in sorted(decided.remove, key=lambda held: held.key.split("/")[2:3] == [""]):
            await self._remove(held)
        if decided.remove and decided.outcome is Outcome.STALE:
            objects = [held.key for held in decided.remove]
            self._log.warning("removed what is older than its row's deletion", row=str(desired.row), objects=objects)
        if not desired.manifests and decided.outcome is not Outcome.STALE:
            self._tombstones.bury(desired.row, desired.buries)
        elif desired.authoritative and decided.outcome is not Outcome.STALE:
            self._tombstones.forget(desired.row)
        trouble = f"the API server has changed what was applied: {', '.join(changed)}" if changed else None
        return Delivered(decided.outcome, reference, decided.new, decided.fence, trouble=trouble)

    def _remember(self, row: RowKey, manifest: Manifest, live: Live) -> None:
        """What admission makes of a manifest is no drift: applied again, it would be the same."""
        applied, made = digest_of_object(row, manifest), live.held.digest if live.held is not None else ""
        if applied != made:
            self._made[live.key] = (applied, made)
        else:
            self._made.pop(live.key, None)

    async def _remove(self, held: Held) -> None:
        live = self._view.at(held.key)
        if live is None:
            return
        if live.retain:
            await permitted(self._api, "patch", live.resource, partial(self._api.leave, live, str(held.row)))
            self._gone(held.key)
            return
        left = await permitted(self._api, "delete", live.resource, partial(self._api.delete, live))
        if left is not None:
            self._view.observe(left)
            self._suspects.explain(left.key, left.version)
            raise TransientError(_terminating(left))
        self._gone(held.key)

    def _gone(self, key: str) -> None:
        self._view.forget(key)
        self._made.pop(key, None)
        self._suspects.explain(key)

    async def _look_again(self, desired: Desired) -> None:
        """At all places that the row has or wants."""
        objects = {self._api.place(one): (one.type, one.name, one.namespace) for one in desired.manifests}
        objects |= {live.key: (live.resource, live.name, live.namespace) for live in self._view.own(desired.row)}
        for key, (resource, name, namespace) in objects.items():
            live = await self._api.get(resource, name, namespace)
            if live is None:
                self._view.forget(key)
            else:
                self._view.observe(live)
        self._log.debug("looked again", row=str(desired.row), name=desired.name)

    async def _list(self, resource: ResourceType) -> str:
        objects, version = await self._api.list_all(resource)
        self._view.replace(resource, objects)
        return version

    async def _follow(self, resource: ResourceType, version: str) -> None:
        """Watch for ever; whatever interrupts it, list anew: an API server that came back may be another one."""
        current: str | None = version
        while True:
            async for attempt in AsyncRetrying(wait=wait_random_exponential(multiplier=0.1, max=5)):
                with attempt:
                    try:
                        current = await self._watch(resource, current or await self._list(resource))
                    except ExpiredError:
                        current = None
                    except Exception as error:
                        self._log.warning(
                            "watch interrupted", resource=resource.plural or resource.kind, error=repr(error)
                        )
                        current = None
                        raise

    async def _watch(self, resource: ResourceType, version: str) -> str:
        async for kind, body in self._api.watch(resource, version):
            version = body["metadata"]["resourceVersion"]
            seen = self._api.live_of(resource, body)
            known = self._view.at(seen.key)
            if known is not None and known.version >= int(version):
                continue  # the echo of our own write, or of what a list has shown already
            live = self._view.believed(seen)
            self._mourn(known, live, kind == "DELETED")
            self._suspects.see(live, kind == "DELETED")
            if kind == "DELETED":
                self._view.forget(live.key, live.version)
            else:
                self._view.observe(live)
        return version

    def _mourn(self, known: Live | None, seen: Live, deleted: bool) -> None:
        """What another instance, or a hand, deletes or overwrites is no news any more when its event comes late.

        What we deleted ourselves is not known any more by then, and whether to remember it was decided then: a restored
        row lives on although its later object went.
        """
        gone = seen.held if deleted and known is not None else None
        if known is not None and known.held and seen.held and known.held.row != seen.held.row:
            gone = known.held
        if gone is not None:
            self._tombstones.bury(gone.row, gone.generation)


def _terminating(live: Live) -> str:
    finalizers = ", ".join(live.finalizers or ()) or "its deletion to end"
    return f"{live.key} is being deleted and waits for: {finalizers}"


async def connect(
    kubeconfig: str | None, namespace: str, in_flight: int, context: str | None = None
) -> KubernetesTarget:
    """A target for a namespace; `kubeconfig` None means the pod's own service account, `context` the current one."""
    return KubernetesTarget(await Api.connect(partial(configuration, kubeconfig, context), namespace, in_flight))
