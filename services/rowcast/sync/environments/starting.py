"""A target that is still being connected: transient trouble for everybody who asks for it too early."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from rowcast.core.errors import PermanentError, TransientError
from rowcast.core.gitops import Behind, Committing
from rowcast.core.plan import Held
from rowcast.core.ports import DriftListener, Failed, NewsListener, Result, Target, Telling
from rowcast.core.preview import Preview, Shown
from rowcast.core.reconcile import Inventory
from rowcast.core.render import Desired, of_target
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Need, Permitting
from rowcast.core.row import RowKey
from rowcast.sync.environments.handover import Register
from rowcast.sync.environments.routing import Routing
from rowcast.sync.settings import SyncSettings
from rowcast.sync.settings.overrides import destinations


class Starting:
    """The `Target` port in front of the configured target, which it makes at its start."""

    def __init__(self, settings: SyncSettings, target: Target | None = None, register: Register | None = None) -> None:
        """`register` knows what other targets have."""
        self._settings = settings
        self._register = register
        self._target = target
        self._started = False
        self._listener: DriftListener | None = None
        self._on_push: Callable[[str], None] = lambda _commit: None
        self._on_delivery: Callable[[], None] = lambda: None
        self._news: NewsListener | None = None

    @property
    def name(self) -> str:
        """The target's name."""
        return self._settings.target

    def expect(self, desired: Desired) -> Sequence[Held]:
        """What the target will hold of a row, once started. Raises RowcastError for one that can't be rendered."""
        if desired.refusal is not None:
            raise desired.refusal
        return self._ready().expect(of_target(desired, self.name))

    def known(self, row: RowKey) -> Sequence[Held]:
        """What the target is known to hold of a row; nothing before it is started."""
        return self._target.known(row) if self._target is not None else ()

    def listen(self, listener: DriftListener) -> None:
        """Whom the target will tell of drift."""
        self._listener = listener

    def listen_to_deliveries(self, pushed: Callable[[str], None], delivered: Callable[[], None]) -> None:
        """Whom a Git target will tell of its commits, and of whatever was delivered; to be said before the start."""
        self._on_push, self._on_delivery = pushed, delivered

    async def behind(self, revision: str, names: Collection[str]) -> Behind | None:
        """What a commit lacks of a Git target's tip, once started."""
        target = self._ready()
        return await target.behind(revision, names) if isinstance(target, Committing) else None

    def tell(self, listener: NewsListener) -> None:
        """Whom the target will tell what becomes of rows after their delivery, if it is one that does."""
        self._news = listener

    async def start(self) -> None:
        """Make the target and read its inventory. Raises TransientError while that can't be done."""
        if self._target is None:
            self._target = await _make(self._settings, self._on_push, self._register)
        if self._listener is not None:
            self._target.listen(self._listener)
        if self._news is not None and isinstance(self._target, Telling):
            self._target.tell(self._news)
        await self._target.start()
        self._started = True

    async def close(self) -> None:
        """Close the target, if there is one yet."""
        if self._target is not None:
            await self._target.close()

    async def check(self) -> None:
        """Whether events can be taken. A target that went down later doesn't count: its events wait in their retry."""
        self._ready()

    async def reach(self) -> None:
        """Ask the target itself whether it can be delivered to. Raises RowcastError with the cause when not."""
        await self._ready().check()

    async def lacking(self, renderers: Sequence[Renderer]) -> Sequence[Need]:
        """What the target is not allowed of what declarations need, once started."""
        target = self._ready()
        return await target.lacking(renderers) if isinstance(target, Permitting) else []

    async def deliver(self, batch: Sequence[Desired]) -> Mapping[RowKey, Result]:
        """Deliver, once started. Of a row that can't be rendered, all that there is stays as it is."""
        refused: dict[RowKey, Result] = {one.row: Failed(one.refusal) for one in batch if one.refusal is not None}
        rest = [one for one in batch if one.row not in refused] if refused else batch
        try:
            if not rest:
                return refused
            return {**await self._ready().deliver([of_target(one, self.name) for one in rest]), **refused}
        finally:
            self._on_delivery()

    async def inventory(self) -> Inventory:
        """The target's inventory, once started."""
        return await self._ready().inventory()

    async def preview(self, desired: Desired) -> Preview:
        """What delivering a state would make, once started."""
        if isinstance(desired.refusal, PermanentError):
            return Preview("", "", await self.live(desired.row), desired.refusal)
        if desired.refusal is not None:
            raise desired.refusal
        return await self._ready().preview(of_target(desired, self.name))

    async def live(self, row: RowKey) -> Shown | None:
        """What the target has of a row, once started."""
        return await self._ready().live(row)

    def _ready(self) -> Target:
        if self._target is None or not self._started:
            raise TransientError("the target's inventory has not been read yet")
        return self._target


async def _make(settings: SyncSettings, on_push: Callable[[str], None], register: Register | None) -> Target:
    """Make the target that the settings name: one behind which there are several, where environments have their own."""
    if not settings.environments:
        return await _make_one(settings, on_push)
    found = destinations(settings)
    targets = {route: partial(_make_one, there, on_push) for route, there in found.by_route.items()}
    return Routing(settings.target, targets, found.route_of, register)


async def _make_one(settings: SyncSettings, on_push: Callable[[str], None]) -> Target:
    """The other kind of target's libraries are not even imported."""
    if settings.target_kind == "k8s":
        from rowcast.sync.targets.kubernetes import connect

        return await connect(
            settings.kubeconfig, settings.namespace, settings.in_flight, settings.kube_context, settings.target
        )
    from rowcast.sync.targets.git.factory import make_target

    return make_target(settings, os.environ, on_push)
