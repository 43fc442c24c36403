"""What an apply would make of a row's object, by the API server's dry run; and the object as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import yaml

from rowcast.core.errors import PermanentError
from rowcast.core.preview import Preview, Shown, unplaced, without_lsn
from rowcast.core.render import Desired, Manifest
from rowcast.core.row import RowKey
from rowcast.sync.targets.kubernetes.api import Api, ConflictError
from rowcast.sync.targets.kubernetes.objects import Live
from rowcast.sync.targets.kubernetes.permission import permitted

SEPARATOR = "---\n"
ATTEMPTS = 3
"""How often the object may change between the look at it and the dry run."""
_NOISE = frozenset({"managedFields", "uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"})


async def preview(api: Api, desired: Desired, own: Sequence[Live]) -> Preview:
    """What applying a row's objects would make; `own` is what there is of the row. Raises TransientError."""
    manifests = unplaced(desired).manifests
    live = await shown(api, own)
    texts: list[str] = []
    refused: list[tuple[int, PermanentError]] = []
    unasked: list[int] = []
    to_come: set[str] = set()
    for index, manifest in enumerate(manifests):
        if manifest.namespace in to_come:
            texts.append(readable(manifest.body))
            unasked.append(index)
            continue
        try:
            texts.append(readable(await _tried(api, desired.row, manifest)))
        except PermanentError as error:
            texts.append(readable(manifest.body))
            refused.append((index, error))
        # A dry run makes none, and what is in it has nowhere to be tried.
        if _is_namespace(manifest) and await api.get(manifest.type, manifest.name) is None:
            to_come.add(manifest.name)
    first = refused[0][1] if refused else None
    return Preview(", ".join(map(api.place, manifests)), SEPARATOR.join(texts), live, first, refused, unasked)


def _is_namespace(manifest: Manifest) -> bool:
    return (manifest.type.group, manifest.type.kind) == ("", "Namespace")


async def shown(api: Api, own: Sequence[Live]) -> Shown | None:
    """The row's objects, those that are there still. Raises TransientError."""
    there: list[tuple[str, str, str]] = []
    for live in own:
        body = await api.read(live.resource, live.name, live.namespace)
        found = api.live_of(live.resource, body) if body else None
        # The same object, or one that was made anew for the same row.
        if body and found and (found.uid == live.uid or (found.held and live.held and found.held.row == live.held.row)):
            there.append((live.key, readable(body), found.resource_version))
    if not there:
        return None
    places, texts, versions = zip(*there, strict=True)
    return Shown(", ".join(places), SEPARATOR.join(texts), ", ".join(versions))


def readable(body: Mapping[str, Any]) -> str:
    """YAML of what somebody wants the object to be: without the status, and what the API server keeps for itself."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in _NOISE}
    wanted = {name: value for name, value in body.items() if name != "status"} | {"metadata": without_lsn(metadata)}
    return str(yaml.dump(wanted, Dumper=yaml.CSafeDumper, width=2**31 - 1, allow_unicode=True))


async def _tried(api: Api, row: RowKey, manifest: Manifest) -> Mapping[str, Any]:
    for attempt in range(ATTEMPTS):
        there = await api.get(manifest.type, manifest.name, manifest.namespace)
        if there is not None and there.held is None and not there.remarked:
            raise PermanentError(
                "not-owned", f"{api.place(manifest)} exists and is not managed by rowcast; it is left alone"
            )
        # A row of the same renderer may let go of it by the same change, as when two swap their names.
        if there is not None and there.held is not None and there.held.row.renderer != row.renderer:
            raise PermanentError("not-owned", f"{api.place(manifest)} is of row {there.held.row}; it is left alone")
        try:
            return await permitted(api, "patch", manifest.type, partial(api.try_apply, manifest, there))
        except ConflictError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt raises")
