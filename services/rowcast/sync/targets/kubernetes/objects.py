"""Objects as the API server holds them, and the view of them that a target keeps in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rowcast.core.digest import digest_of
from rowcast.core.plan import Held
from rowcast.core.ports import RowKey
from rowcast.core.render import GENERATION, LSN, MANAGED_BY, MANAGER, ROW_ID, TABLE, ResourceType


def key_of(resource: ResourceType, name: str) -> str:
    """An object's place: `appconfigs/name`."""
    return f"{resource.plural}/{name}"


@dataclass(frozen=True, slots=True)
class Live:
    """One object. `held` is None when the object does not carry our labels: it is somebody else's."""

    resource: ResourceType
    name: str
    uid: str
    resource_version: str
    held: Held | None

    @property
    def key(self) -> str:
        """The object's place."""
        return key_of(self.resource, self.name)

    @property
    def version(self) -> int:
        """Resource versions compare as integers (Kubernetes 1.35, KEP-5504)."""
        return int(self.resource_version)


def live_of(resource: ResourceType, body: Mapping[str, Any]) -> Live:
    """Read an object as the API server returns it; of its content only a digest is kept."""
    metadata = body["metadata"]
    name = metadata["name"]
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    row_id = labels.get(ROW_ID, "")
    held = None
    if labels.get(MANAGED_BY) == MANAGER and TABLE in labels and row_id.isdigit():
        held = Held(
            key=key_of(resource, name),
            table=labels[TABLE],
            row_id=int(row_id),
            generation=_number(annotations.get(GENERATION)),
            lsn=_number(annotations.get(LSN)),
            digest=digest_of({"kind": resource.kind, "metadata": metadata, "spec": body.get("spec")}),
        )
    return Live(resource, name, metadata["uid"], metadata["resourceVersion"], held)


def _number(text: object) -> int:
    """An annotation that a hand has broken counts as 0: anything newer may overwrite it."""
    return int(text) if isinstance(text, str) and text.isdigit() else 0


class View:
    """What the namespace holds, by place and by row; kept current by the watch and by our own writes.

    It may lag behind. That costs a refused precondition and a second look, never a wrong write.
    """

    def __init__(self) -> None:
        self._by_key: dict[str, Live] = {}
        self._by_row: dict[RowKey, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def at(self, key: str) -> Live | None:
        """The object at a place."""
        return self._by_key.get(key)

    def own(self, row: RowKey) -> tuple[Live, ...]:
        """The objects that carry a row's id."""
        return tuple(self._by_key[key] for key in sorted(self._by_row.get(row, ())))

    def observe(self, live: Live) -> None:
        """Take in an object as it was seen, unless something newer of it is known."""
        known = self._by_key.get(live.key)
        if known is not None and known.version > live.version:
            return
        self._drop(live.key)
        self._by_key[live.key] = live
        if live.held is not None:
            self._by_row.setdefault(live.held.row, set()).add(live.key)

    def forget(self, key: str, version: int | None = None) -> None:
        """The object at `key` is gone, as of a resource version if that is known."""
        known = self._by_key.get(key)
        if known is not None and (version is None or known.version <= version):
            self._drop(key)

    def refresh(self, resource: ResourceType, objects: Iterable[Live], version: int) -> None:
        """Take in a full list of one type as of a resource version; what was written later is known better here."""
        listed = set()
        for live in objects:
            listed.add(live.key)
            self.observe(live)
        for live in [live for live in self._by_key.values() if live.resource == resource and live.key not in listed]:
            self.forget(live.key, version)

    def replace(self, resource: ResourceType, objects: Iterable[Live]) -> None:
        """Start anew from a full list of one resource type."""
        for key in [key for key, live in self._by_key.items() if live.resource == resource]:
            self._drop(key)
        for live in objects:
            self.observe(live)

    def _drop(self, key: str) -> None:
        known = self._by_key.pop(key, None)
        if known is None or known.held is None:
            return
        row = known.held.row
        keys = self._by_row[row]
        keys.discard(key)
        if not keys:
            del self._by_row[row]
