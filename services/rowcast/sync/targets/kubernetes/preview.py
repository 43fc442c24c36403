"""What an apply would make of a row's object, by the API server's dry run; and the object as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import yaml

from rowcast.core.errors import PermanentError
from rowcast.core.preview import Preview, Shown, unplaced, without_lsn
from rowcast.core.render import Desired, Manifest
from rowcast.sync.targets.kubernetes.api import Api, ConflictError
from rowcast.sync.targets.kubernetes.objects import Live, key_of, live_of
from rowcast.sync.targets.kubernetes.permission import permitted

ATTEMPTS = 3
"""How often the object may change between the look at it and the dry run."""
_NOISE = frozenset({"managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"})


async def preview(api: Api, desired: Desired, own: Sequence[Live]) -> Preview:
    """What applying a row's one object would make; `own` is what there is of the row. Raises TransientError."""
    (manifest,) = unplaced(desired).manifests
    place = key_of(manifest.type, manifest.name)
    live = await shown(api, own)
    try:
        return Preview(place, readable(await _tried(api, manifest)), live)
    except PermanentError as error:
        return Preview(place, readable(manifest.body), live, error)


async def shown(api: Api, own: Sequence[Live]) -> Shown | None:
    """The first of the row's objects that is there still. Raises TransientError."""
    for live in own:
        body = await api.read(live.resource, live.name)
        found = live_of(live.resource, body) if body else None
        # The same object, or one that was made anew for the same row.
        if body and found and (found.uid == live.uid or (found.held and live.held and found.held.row == live.held.row)):
            return Shown(live.key, readable(body), found.resource_version)
    return None


def readable(body: Mapping[str, Any]) -> str:
    """YAML of what somebody wants the object to be: without the status, and what the API server keeps for itself."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in _NOISE}
    wanted = {name: value for name, value in body.items() if name != "status"} | {"metadata": without_lsn(metadata)}
    return str(yaml.dump(wanted, Dumper=yaml.CSafeDumper, width=2**31 - 1, allow_unicode=True))


async def _tried(api: Api, manifest: Manifest) -> Mapping[str, Any]:
    for attempt in range(ATTEMPTS):
        there = await api.get(manifest.type, manifest.name)
        if there is not None and there.held is None and not there.remarked:
            place = key_of(manifest.type, manifest.name)
            raise PermanentError("not-owned", f"{place} exists and is not managed by rowcast; it is left alone")
        try:
            return await permitted(api, "patch", manifest.type, partial(api.try_apply, manifest, there))
        except ConflictError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt raises")
