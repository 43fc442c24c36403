"""Delivers rows to a namespace: judges against a view of it, writes under preconditions, looks again when refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from tenacity import AsyncRetrying, wait_random_exponential

from rowcast.core.claims import Claims
from rowcast.core.errors import PermanentError, RowcastError, TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.plan import Begun, Held, Plan, Tombstones, held_of, plan
from rowcast.core.ports import Delivered, DriftListener, Failed, News, NewsListener, Result, is_claimed
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import HeldInventory, Inventory
from rowcast.core.render import RENDERERS, Desired, Manifest, ResourceType
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.runtime.logging import get_logger
from rowcast.sync.clock import now
from rowcast.sync.targets.kubernetes.api import (
    PATIENCE,
    QUICK_SECONDS,
    REQUEST_SECONDS,
    Api,
    AwayError,
    ConflictError,
    ExpiredError,
    UnknownKindError,
    UnreadableError,
)
from rowcast.sync.targets.kubernetes.drift import Suspects
from rowcast.sync.targets.kubernetes.locks import NameLocks
from rowcast.sync.targets.kubernetes.login import configuration
from rowcast.sync.targets.kubernetes.objects import KIND, Live, View, digest_of_object, homed, removal_order
from rowcast.sync.targets.kubernetes.permission import permitted
from rowcast.sync.targets.kubernetes.preview import preview, shown
from rowcast.sync.targets.kubernetes.rights import lacking
from rowcast.sync.targets.kubernetes.stages import RowStage, stage_of, together

SHOWN = 20
GATHER_SECONDS = 0.2
"""A controller writes a status several times in a row, and a rollout is the status of several objects."""
CONFLICTS = 10
"""How often a row is judged anew within one delivery; more means a fight, which Dapr's backoff calms better."""


class KubernetesTarget:
    """The `Target` port over one namespace of one API server."""

    name = KIND

    def __init__(self, api: Api, tombstones: Tombstones | None = None) -> None:
        self._api = api
        self._view = View(self._notice)
        self._suspects = Suspects(self._view)
        self._locks = NameLocks()
        self._tombstones = tombstones or Tombstones()
        # By place, the digest of what was applied and of what admission made of it, where that is something else, and
        # which fields these are.
        self._made: dict[str, tuple[str, str, Sequence[str]]] = {}
        self._begun = Begun()
        self._types = list(dict.fromkeys(resource for r in RENDERERS.values() for resource in r.types))
        self._watches: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()
        self._seeking = asyncio.Lock()
        self._sought = 0
        self._on_news: NewsListener = lambda _news: None
        # Rows whose objects are not as ready as they were: told together, after a moment.
        self._unsettled: set[RowKey] = set()
        self._telling: asyncio.TimerHandle | None = None
        self._log = get_logger("rowcast.target")

    def expect(self, desired: Desired) -> Sequence[Held]:
        """A row's objects."""
        desired = homed(desired, self._api.namespace)
        return [
            self._once(desired, manifest)
            or held_of(self._api.place(manifest), desired, manifest, self._digest(desired.row, manifest))
            for manifest in desired.manifests
        ]

    def known(self, row: RowKey) -> Sequence[Held]:
        """The row's objects, as the watch shows them."""
        return [live.held for live in self._view.own(row) if live.held is not None]

    def listen(self, listener: DriftListener) -> None:
        """Tell of what the watch shows and no write of ours explains."""
        self._suspects.listen(listener)

    def tell(self, listener: NewsListener) -> None:
        """Tell of the stage of a row's objects, of all at the start and whenever it is another one."""
        self._on_news = listener

    async def start(self) -> None:
        """Read the inventory and keep it current from then on."""
        if self._watches:
            return
        starts = [(resource, await self._list(resource)) for resource in [*self._types, *await self._others()]]
        self._types = [resource for resource, _ in starts]
        self._watches = [asyncio.create_task(self._follow(resource, version)) for resource, version in starts]
        for row in self._view.rows():
            if row.renderer != APP_CONFIGS:  # which has no status: it is healthy as soon as it is there
                self._notice(row)

    async def _others(self) -> list[ResourceType]:
        """Kinds not followed yet that have anything of ours: the last instance, or another one, has delivered it."""
        known = {(resource.group, resource.kind) for resource in self._types}
        return [one for one in await self._api.kinds_in_use() if (one.group, one.kind) not in known]

    async def _seek(self) -> None:
        """Find kinds that have anything of ours, as of now. Who asks while another does waits for the one after it."""
        asked = self._sought
        async with self._seeking:
            if self._sought == asked:
                self._sought += 1
                await self.know(await self._others())

    async def know(self, types: Iterable[ResourceType]) -> None:
        """Follow objects of these types as well, whichever of them are ours. Raises TransientError."""
        for resource in types:
            if resource in self._types:
                continue
            async with self._turn:
                if resource not in self._types:
                    version = await self._list(resource)
                    self._types.append(resource)
                    self._watches.append(asyncio.create_task(self._follow(resource, version)))

    async def close(self) -> None:
        """End the watches and the connections."""
        if self._telling is not None:
            self._telling.cancel()
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

    async def lacking(self, renderers: Sequence[Renderer]) -> Sequence[Need]:
        """What RBAC doesn't allow of what declarations need, and kinds that the API server hasn't."""
        return await lacking(self._api, renderers)

    async def inventory(self) -> Inventory:
        """What the API server holds of ours, read anew; not of a declaration's kind that RBAC keeps from us.

        The rows that want such objects are told so one by one, when they are delivered; all others go on.
        """
        await self._seek()
        found: list[Held] = []
        for resource in tuple(self._types):
            try:
                objects, version = await self._api.list_all(resource, self._view.same)
            except UnknownKindError:
                self._view.replace(resource, [])
                continue
            except UnreadableError as error:
                # What has just started forbids everything until it has read its roles: that it says otherwise.
                if resource.plural or await self._api.allowed("list", resource):
                    raise
                self._log.warning("can't list what we own", kind=resource.kind, error=str(error))
                continue
            seen = [self._view.believed(live) for live in objects]
            self._view.refresh(resource, seen, int(version))
            found += [live.held for live in seen if live.held is not None]
            unknown = [live.key for live in seen if live.remarked and live.held is None]
            if unknown:
                # One that a row wants is taken up again by the row's delivery, which a reconcile now begins.
                self._log.warning("marks of ours were changed by hand", count=len(unknown), objects=unknown[:SHOWN])
        return HeldInventory(found)

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
        claims = Claims(batch, lambda desired: self._places(homed(desired, self._api.namespace)))

        async def one(desired: Desired) -> Result:
            if away:
                return Failed(away[0])
            PATIENCE.set(REQUEST_SECONDS if desired.again else QUICK_SECONDS)
            try:
                return await self._deliver(desired, claims)
            except AwayError as error:
                away.append(error)
                return Failed(error)
            except RowcastError as error:
                return Failed(error)

        results: dict[RowKey, Result] = {}
        tried = batch
        while tried:
            told = await asyncio.gather(*(one(desired) for desired in tried))
            results |= {desired.row: result for desired, result in zip(tried, told, strict=True)}
            tried = claims.again([desired for desired in tried if is_claimed(results[desired.row])])
        return results

    def _places(self, desired: Desired) -> set[str]:
        return {self._api.place(manifest) for manifest in desired.manifests}

    async def _deliver(self, desired: Desired, claims: Claims) -> Result:
        row = desired.row
        desired = homed(desired, self._api.namespace)
        for resource in dict.fromkeys(manifest.type for manifest in desired.manifests):
            with suppress(UnknownKindError):  # an earlier object of the row may define it; if not, it is told then
                await self.know([resource])
        never_seen = not self._view.own(row) and self._tombstones.get(row) is None
        if not desired.manifests and row.renderer != APP_CONFIGS and never_seen:
            await self._seek()  # another instance may have made it, of kinds that this one has not heard of
        wanted = self._places(desired)
        conflict: ConflictError | None = None
        for _ in range(CONFLICTS):
            places = wanted | {live.key for live in self._view.own(row)}
            async with self._locks.hold(places):
                if not {live.key for live in self._view.own(row)} <= places:
                    continue  # the row got another object while we waited for the locks
                try:
                    if desired.authoritative:
                        await self._look_again(desired)  # the view may not show yet what somebody else did
                    return await self._execute(desired, self._begin(desired, self._judge(desired, wanted, claims)))
                except ConflictError as error:
                    conflict = error
                    await self._look_again(desired)
        raise conflict or ConflictError(f"{desired.name}: the row's objects keep changing")

    def _judge(self, desired: Desired, wanted: set[str], claims: Claims) -> Plan:
        there = [live for key in sorted(wanted) if (live := self._view.at(key)) is not None]
        decided = plan(
            desired,
            own=self.known(desired.row),
            holders=[live.held for live in there if live.held is not None],
            tombstone=self._tombstones.get(desired.row),
            key_of=lambda _, manifest: self._api.place(manifest),
            digest_of=partial(self._digest, desired.row),
            is_left=claims.is_left,
        )
        adopted = {self._api.place(one) for one in desired.manifests if one.conflict == "adopt"}
        for live in there:
            if decided.outcome is not Outcome.STALE and live.finalizers is not None:
                raise TransientError(_terminating(live))
            ours = live.remarked if live.left_by is None else live.left_by == str(desired.row)
            if decided.put and live.other_target:
                raise TransientError(f"{live.key} is of {live.other_target}, which has to let go")
            if decided.put and live.held is None and not (ours or live.key in adopted):
                raise PermanentError("not-owned", f"{live.key} exists and is not managed by rowcast; it is left alone")
        put = tuple(one for one in decided.put if self._once(desired, one) is None)
        idle = decided.put and not put and not decided.remove
        return replace(decided, put=put, outcome=Outcome.UNCHANGED if idle else decided.outcome)

    def _begin(self, desired: Desired, decided: Plan) -> Plan:
        """What comes of it is what the first try of it began."""
        if decided.outcome is Outcome.STALE:
            self._begun.end(desired.row)
            return decided
        if (begun := self._begun.get(desired)) is not None:
            outcome, new = begun
            # Applied once more: what admission has made of it was in the answer.
            put = decided.put or tuple(one for one in desired.manifests if self._once(desired, one) is None)
            return replace(decided, put=put, outcome=outcome, new=new)
        if decided.put or decided.remove:
            self._begun.begin(desired, decided.outcome, new=decided.new)
        return decided

    def _once(self, desired: Desired, manifest: Manifest) -> Held | None:
        """The object of a manifest that is only made where there is none: as it is, it is as it should be."""
        live = self._view.at(self._api.place(manifest)) if manifest.create == "once" else None
        return live.held if live is not None and live.held is not None and live.held.row == desired.row else None

    def _digest(self, row: RowKey, manifest: Manifest) -> str:
        """Of what the API server is known to make of a manifest, or else of the manifest."""
        digest = digest_of_object(row, manifest)
        applied, made, _ = self._made.get(self._api.place(manifest), ("", "", ()))
        return made if applied == digest else digest

    def _changed(self, desired: Desired) -> list[str]:
        """What admission is known to have changed of a row's manifests as they are."""
        found = (
            (digest_of_object(desired.row, one), self._made.get(self._api.place(one))) for one in desired.manifests
        )
        return [path for digest, made in found if made is not None and made[0] == digest for path in made[2]]

    async def _execute(self, desired: Desired, decided: Plan) -> Result:
        # The watch goes on meanwhile: what it shows of another row by then was not judged, and is not to be touched.
        places = [*map(self._api.place, decided.put), *(held.key for held in decided.remove)]
        judged = {place: self._view.at(place) for place in places}
        reference: str | None = None
        for manifest in decided.put:
            try:
                await self.know([manifest.type])
                there = judged[self._api.place(manifest)]
                apply = partial(self._api.apply, manifest, over=there and self._as_judged(there))
                live = await permitted(self._api, "patch", manifest.type, apply)
            except RowcastError as error:
                self._tell_what_is_there(desired, manifest, error)
                raise
            self._view.observe(live)
            self._suspects.explain(live.key, live.version)
            self._remember(desired.row, manifest, live)
            reference = live.resource_version
        for other in decided.displaced:
            self._tombstones.bury(other.row, other.generation)
        leaving = [there for held in decided.remove if (there := judged[held.key]) is not None]
        for there in sorted(leaving, key=removal_order):
            await self._remove(self._as_judged(there), desired.row)
        if decided.remove and decided.outcome is Outcome.STALE:
            objects = [held.key for held in decided.remove]
            self._log.warning("removed what is older than its row's deletion", row=str(desired.row), objects=objects)
        if not desired.manifests and decided.outcome is not Outcome.STALE:
            self._tombstones.bury(desired.row, desired.buries)
        elif desired.authoritative and decided.outcome is not Outcome.STALE:
            self._tombstones.forget(desired.row)
        if decided.outcome is not Outcome.STALE:
            self._begun.end(desired.row)
        changed = self._changed(desired)
        trouble = f"the API server has changed what was applied: {', '.join(changed)}" if changed else None
        arrived = Delivered(decided.outcome, reference, decided.new, decided.fence, trouble=trouble)
        if desired.deleted or decided.outcome is Outcome.STALE:
            return arrived
        self._unsettled.discard(desired.row)
        found = together(self._view.own(desired.row))
        return replace(arrived, stage=found.stage, stage_error=found.reason, staged_at=now())

    def _notice(self, row: RowKey) -> None:
        self._unsettled.add(row)
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell_stages)

    def _tell_stages(self) -> None:
        self._telling = None
        rows, self._unsettled = self._unsettled, set()
        moment = now()
        found = ((row, stage_of(self._view.own(row))) for row in rows)
        self._on_news([_news(row, stage, moment) for row, stage in found if stage is not None])

    def _remember(self, row: RowKey, manifest: Manifest, live: Live) -> None:
        """What admission makes of a manifest is no drift: applied again, it would be the same."""
        applied, made = digest_of_object(row, manifest), live.held.digest if live.held is not None else ""
        if applied != made:
            self._made[live.key] = (applied, made, live.changed)
        else:
            self._made.pop(live.key, None)

    def _tell_what_is_there(self, desired: Desired, failed: Manifest, error: RowcastError) -> None:
        """A row that is there in part is told of as that; whoever tries again goes on where it failed."""
        if len(desired.manifests) > 1 and not isinstance(error, ConflictError):
            places = [self._api.place(one) for one in desired.manifests]
            own = {held.key for held in self.known(desired.row) if held.generation == desired.generation}
            there = [place for place in places if place in own]
            named = f" ({', '.join(there[:SHOWN])})" if there else ""
            text = f"{self._api.place(failed)}: {error}; {len(there)} of {len(places)} objects are there{named}"
            error.args = (text,)

    async def _remove(self, live: Live, row: RowKey) -> None:
        if live.retain:
            await permitted(self._api, "patch", live.resource, partial(self._api.leave, live, str(row)))
            self._gone(live)
            return
        left = await permitted(self._api, "delete", live.resource, partial(self._api.delete, live))
        if left is not None:
            self._view.observe(left)
            self._suspects.explain(left.key, left.version)
            raise TransientError(_terminating(left))
        self._gone(live)

    def _gone(self, live: Live) -> None:
        self._view.forget(live.key, live.version)
        self._made.pop(live.key, None)
        self._suspects.explain(live.key)

    def _as_judged(self, judged: Live) -> Live:
        """What to write over: what is known by now, if it is what was judged but for its version, as a controller's
        word on it makes a new one; else what was judged, of which the API server says that it is gone.
        """
        now = self._view.at(judged.key)
        return now if now is not None and now.stands_for(judged) else judged

    async def _look_again(self, desired: Desired) -> None:
        """At all places that the row has or wants."""
        objects = {self._api.place(one): (one.type, one.name, one.namespace) for one in desired.manifests}
        objects |= {live.key: (live.resource, live.name, live.namespace) for live in self._view.own(desired.row)}
        for key, (resource, name, namespace) in objects.items():
            live: Live | None = None
            with suppress(UnknownKindError):
                live = await self._api.get(resource, name, namespace)
            if live is None:
                self._view.forget(key)
            else:
                self._view.observe(live)
        self._log.debug("looked again", row=str(desired.row), name=desired.name)

    async def _list(self, resource: ResourceType) -> str:
        try:
            objects, version = await self._api.list_all(resource, self._view.same)
        except UnknownKindError:
            self._view.replace(resource, [])
            raise
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


def _news(row: RowKey, found: RowStage, moment: str) -> News:
    result = Delivered(Outcome.UNCHANGED, stage=found.stage, stage_error=found.reason, staged_at=moment)
    return News(row, row.key, found.generation, False, result, once=found.once)


def _terminating(live: Live) -> str:
    finalizers = ", ".join(live.finalizers or ()) or "its deletion to end"
    return f"{live.key} is being deleted and waits for: {finalizers}"


async def connect(
    kubeconfig: str | None, namespace: str, in_flight: int, context: str | None = None, name: str = KIND
) -> KubernetesTarget:
    """A target for a namespace; `kubeconfig` None means the pod's own service account, `context` the current one.

    `name` is the target's, by which its objects are told from another one's of its kind.
    """
    api = await Api.connect(partial(configuration, kubeconfig, context), namespace, in_flight, name)
    return KubernetesTarget(api)
