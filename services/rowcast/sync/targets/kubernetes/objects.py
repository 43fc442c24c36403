"""Objects as the API server holds them, and the view of them that a target keeps in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rowcast.core.digest import digest_of, digest_of_manifest
from rowcast.core.held import marks, number
from rowcast.core.plan import Held
from rowcast.core.readiness import HEALTHY, Readiness
from rowcast.core.render import (
    GENERATION,
    KEY,
    LSN,
    MANAGED_BY,
    ON_DELETE,
    RENDERER,
    RETAIN,
    ROW_ID,
    TABLE,
    TARGET,
    UPDATED_BY,
    Desired,
    Manifest,
    ResourceType,
)
from rowcast.core.row import APP_CONFIGS, RowKey
from rowcast.sync.targets.kubernetes.owned import digest_of_applied, digest_of_owned
from rowcast.sync.targets.kubernetes.stages import object_readiness

FIELD_MANAGER = "rowcast"
KIND = "k8s"
"""How a target of this kind is called where nobody says otherwise."""
HOME = "rowcast.dev/home"
"""On objects that may be in any namespace: the one that their target delivers to. Others in the cluster have theirs."""
ORDER = "rowcast.dev/order"
"""On objects of rows that have several: the place in the order in which they are made; they go in the opposite one."""
IGNORE = "rowcast.dev/ignore"
"""On objects with fields that are only ours when they are made: the paths of these, as a list in JSON."""
OBJECTS = "rowcast.dev/objects"
"""On objects of rows of any table: how many their row has."""
ONCE = "rowcast.dev/create"
"""On objects that are made once: they stay of the generation that made them."""
READY = "rowcast.dev/ready"
"""On objects whose declaration says when they are ready: the expression."""
RETAINED = "rowcast.dev/retained"
"""On an object that was left behind: the row that may have it again."""
_ANNOTATIONS = tuple(("annotations", f"f:{annotation}") for annotation in (GENERATION, LSN, UPDATED_BY))
_MARKS = (*(("labels", f"f:{label}") for label in (MANAGED_BY, TABLE, ROW_ID)), *_ANNOTATIONS)
_MARKS_OF_OTHERS = (
    *(("labels", f"f:{label}") for label in (MANAGED_BY, RENDERER, KEY, HOME)),
    *_ANNOTATIONS,
    ("annotations", f"f:{KEY}"),
)
"""Where the API server keeps who owns each of our marks."""


@dataclass(frozen=True, slots=True)
class Live:
    """One object. `held` is None when it doesn't say that it is ours, or when what it says is not our word.

    `remarked`: we have applied it, and somebody else has changed one of our labels or annotations since (the API server
    keeps who owns which field). `finalizers`: what a deleted object waits for; None for one that isn't being deleted.
    `changed` are the paths of the spec that the API server made something else of than was applied. `namespace` is
    empty for the target's own. `retain`: its row leaves it behind; `left_by`: a row has.
    `order`: of its row's `objects`, the how manieth it is. `other_target`: it is that one's, in words.
    `once`: it is made once, and may be of an earlier generation than its row.
    """

    resource: ResourceType
    name: str
    uid: str
    resource_version: str
    held: Held | None
    remarked: bool = False
    finalizers: tuple[str, ...] | None = None
    changed: tuple[str, ...] = ()
    namespace: str = ""
    retain: bool = False
    left_by: str | None = None
    order: int = 0
    other_target: str = ""
    readiness: Readiness = HEALTHY
    objects: int = 1
    once: bool = False

    @property
    def key(self) -> str:
        """The object's place; of one of ours the very text that `held` has, so that it is in memory once."""
        return self.resource.place(self.name, self.namespace) if self.held is None else self.held.key

    def stands_for(self, earlier: Live) -> bool:
        """Whether it is the same object in all that decides what may be done to it."""
        return (
            self.uid == earlier.uid
            and self.held == earlier.held
            and (self.remarked, self.finalizers, self.retain, self.left_by, self.other_target)
            == (earlier.remarked, earlier.finalizers, earlier.retain, earlier.left_by, earlier.other_target)
        )

    @property
    def version(self) -> int:
        """Resource versions compare as integers (Kubernetes 1.35, KEP-5504)."""
        return int(self.resource_version)


def live_of(resource: ResourceType, body: Mapping[str, Any], home: str = "", target: str = KIND) -> Live:
    """Read an object as the API server returns it; of its content only a digest is kept. `home` is the target's own
    namespace, `target` its name.
    """
    metadata = body["metadata"]
    namespace = "" if resource.plural or metadata.get("namespace") == home else metadata.get("namespace") or ""
    key = resource.place(metadata["name"], namespace)
    fields = _ours(metadata.get("managedFields"))
    ours = None if fields is None else fields.get("f:metadata") or {}
    wanted = _MARKS if ours is None or f"f:{RENDERER}" not in ours.get("f:labels", {}) else _MARKS_OF_OTHERS
    if (metadata.get("labels") or {}).get(TARGET) == target:
        wanted = (*wanted, ("labels", f"f:{TARGET}"))  # by whose hand it says so matters only where it says ours
    remarked = ours is not None and not all(field in ours.get(f"f:{part}", {}) for part, field in wanted)
    read = None if remarked else marks(metadata.get("labels"), metadata.get("annotations"))
    other_target = "" if read is None else read.of_another(target) or _other_home(metadata, read.row, home)
    held = None
    annotations = metadata.get("annotations") or {}
    if read is not None and not other_target:
        whole = {**body, "kind": resource.kind}
        digest = (
            digest_of(whole)
            if read.row.renderer == APP_CONFIGS
            else digest_of_owned(without(whole, _ignored(annotations)), fields or {})
        )
        held = Held(key, read.row, read.generation, read.lsn, digest)
    finalizers = tuple(metadata.get("finalizers") or ()) if metadata.get("deletionTimestamp") else None
    if held is not None and finalizers is not None:
        held = replace(held, digest="")  # it is on its way out: not what anybody wants it to be
    return Live(
        resource,
        metadata["name"],
        metadata["uid"],
        metadata["resourceVersion"],
        held,
        remarked,
        finalizers,
        namespace=namespace,
        retain=annotations.get(ON_DELETE) == RETAIN,
        left_by=annotations.get(RETAINED),
        order=number(annotations.get(ORDER)) or 0,
        other_target=other_target,
        readiness=object_readiness(resource, body, annotations.get(READY)),
        objects=number(annotations.get(OBJECTS)) or 1,
        once=annotations.get(ONCE) == "once",
    )


def _other_home(metadata: Mapping[str, Any], row: RowKey, home: str) -> str:
    found = str((metadata.get("labels") or {}).get(HOME) or "")
    return "" if row.renderer == APP_CONFIGS or found in ("", home) else f"the target for namespace {found}"


def _ignored(annotations: Mapping[str, Any]) -> tuple[str, ...]:
    """Anybody may have written it: what isn't a list of texts says nothing."""
    try:
        paths = json.loads(annotations.get(IGNORE) or "[]")
    except (ValueError, RecursionError):
        return ()
    return tuple(path for path in paths if isinstance(path, str)) if isinstance(paths, list) else ()


def homed(desired: Desired, home: str) -> Desired:
    """The state with objects that say which target's they are."""
    if desired.row.renderer == APP_CONFIGS or not desired.manifests:
        return desired
    objects = len(desired.manifests)
    homes = (_homed(one, home, order, objects) for order, one in enumerate(desired.manifests))
    return replace(desired, manifests=tuple(homes))


def _homed(manifest: Manifest, home: str, order: int, objects: int) -> Manifest:
    metadata = manifest.body["metadata"]
    labels = {**metadata["labels"], HOME: home}
    annotations = {**metadata["annotations"], ORDER: str(order), OBJECTS: str(objects)}
    if manifest.ignore:
        annotations[IGNORE] = json.dumps(manifest.ignore)
    if manifest.create == "once":
        annotations[ONCE] = "once"
    if manifest.ready:
        annotations[READY] = manifest.ready
    marked = {**metadata, "labels": labels, "annotations": annotations}
    return replace(manifest, body={**manifest.body, "metadata": marked})


def removal_order(live: Live) -> tuple[int, bool, str]:
    """Objects go in the opposite of the order in which they are made; what is in a namespace before what may be it."""
    return (-live.order, not live.namespace, live.key)


def digest_of_object(row: RowKey, manifest: Manifest) -> str:
    """Of what we apply: the same as a live object's that is as applied."""
    return (
        digest_of_manifest(manifest)
        if row.renderer == APP_CONFIGS
        else digest_of_applied(without(manifest.body, manifest.ignore))
    )


def without(body: Mapping[str, Any], paths: Iterable[str]) -> Mapping[str, Any]:
    """An object without the fields at these paths (`spec.replicas`); a path that leads nowhere is no matter."""
    for path in paths:
        body = _changed(body, path.split("."), _ABSENT)
    return body


def as_live(body: Mapping[str, Any], live: Mapping[str, Any], paths: Iterable[str]) -> Mapping[str, Any]:
    """A manifest with the fields at these paths as the live object has them: applied, it changes nothing of these.

    (Left out, server-side apply would take the fields away, as long as nobody else has applied them.)
    """
    for path in paths:
        names = path.split(".")
        value: Any = live
        for name in names:
            value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
        body = _changed(body, names, value)
    return body


_ABSENT = object()


def _changed(body: Mapping[str, Any], names: list[str], value: Any) -> Mapping[str, Any]:
    first, *rest = names
    if rest:
        below = body.get(first)
        if not isinstance(below, Mapping):
            if below is not None or value is _ABSENT:
                return body
            below = {}
        return {**body, first: _changed(below, rest, value)}
    if value is _ABSENT:
        return {name: each for name, each in body.items() if name != first}
    return {**body, first: value}


def _ours(managed: Any) -> Mapping[str, Any] | None:
    """The fields that we own by our last apply; None where there is no such apply.

    (Kubernetes, "Server-Side Apply", field management: whoever changes a field's value takes it from its owner.)
    """
    for entry in managed or ():
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
            return fields
    return None


def changed_paths(applied: Any, live: Any, path: str = "spec") -> tuple[str, ...]:
    """What became something else of what was applied; what the API server added is not looked at."""
    if isinstance(applied, Mapping) and isinstance(live, Mapping):
        parts = (changed_paths(value, live.get(key), f"{path}.{key}") for key, value in applied.items())
        return tuple(changed for part in parts for changed in part)
    return () if applied == live else (path,)


class View:
    """What the namespace holds, by place and by row; kept current by the watch and by our own writes.

    It may lag behind. That costs a refused precondition and a second look, never a wrong write.
    """

    def __init__(self, on_readiness: Callable[[RowKey], None] = lambda _row: None) -> None:
        """`on_readiness` is told of a row of whose objects one is gone, or is ready, or is so no more."""
        self._on_readiness = on_readiness
        self._by_key: dict[str, Live] = {}
        # In order. A set of one takes four times as much, and of most rows there is one object.
        self._by_row: dict[RowKey, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def at(self, key: str) -> Live | None:
        """The object at a place."""
        return self._by_key.get(key)

    def rows(self) -> tuple[RowKey, ...]:
        """Those that have any object."""
        return tuple(self._by_row)

    def own(self, row: RowKey) -> tuple[Live, ...]:
        """The objects that carry a row's id."""
        return tuple(self._by_key[key] for key in self._by_row.get(row, ()))

    def same(self, live: Live) -> Live:
        """The object as it is known, where nothing of it differs: a list of all is no second view in memory then."""
        known = self._by_key.get(live.key)
        return live if known is None or known != live else known

    def believed(self, live: Live) -> Live:
        """An object as it was seen, with what is known of it where its marks are not our word any more.

        Whose it is, and as of when, doesn't change with a label: it is the same object. Its digest matches nothing, so
        that it is put right.
        """
        known = self._by_key.get(live.key)
        if (
            (live.remarked or live.other_target)
            and known is not None
            and known.uid == live.uid
            and known.held is not None
        ):
            return replace(live, held=replace(known.held, digest=""), other_target="")
        return live

    def observe(self, live: Live) -> None:
        """Take in an object as it was seen, unless something newer of it is known."""
        known = self._by_key.get(live.key)
        if known is not None and known.version > live.version:
            return
        live = self.believed(live)
        if live is known:
            return
        self._drop(live.key)
        self._by_key[live.key] = live
        if live.held is not None:
            row = live.held.row
            self._by_row[row] = tuple(sorted((*self._by_row.get(row, ()), live.key)))
        self._compare(known, live)

    def forget(self, key: str, version: int | None = None) -> None:
        """The object at `key` is gone, as of a resource version if that is known."""
        known = self._by_key.get(key)
        if known is not None and (version is None or known.version <= version):
            self._drop(key)
            self._compare(known, None)

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
        seen = [self.believed(live) for live in objects]
        before = {key: live for key, live in self._by_key.items() if live.resource == resource}
        for key in before:
            self._drop(key)
        for live in seen:
            self.observe(live)
        for key, known in before.items():
            self._compare(known, self._by_key.get(key))

    def _compare(self, known: Live | None, now: Live | None) -> None:
        if known is not None and known.held is not None and (now is None or now.readiness != known.readiness):
            self._on_readiness(known.held.row)

    def _drop(self, key: str) -> None:
        known = self._by_key.pop(key, None)
        if known is None or known.held is None:
            return
        row = known.held.row
        left = tuple(other for other in self._by_row[row] if other != key)
        if left:
            self._by_row[row] = left
        else:
            del self._by_row[row]
