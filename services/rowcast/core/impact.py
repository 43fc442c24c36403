"""What a changed declaration does to all rows, by the shape of the change: rows by two renderings, compared. Pure.

Rows are added one by one and not kept: what is kept are the shapes, so many of them, and a few examples of each.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from rowcast.core.renderer import (
    ExpressionError,
    ObjectName,
    RenderedManifest,
    RenderedRow,
    Renderer,
    Rendering,
)

Action = Literal["moved", "removed", "retained", "made", "changed", "row"]
"""What becomes of an object: one that is moved is deleted and made anew by another name or in another namespace; one
that is retained is left behind. `row`: the row itself has another name or environment.
"""
ACTIONS: tuple[Action, ...] = ("moved", "removed", "retained", "made", "row", "changed")
"""The loudest first."""
Change = Literal["set", "removed", "changed", ""]
SHAPES = 500
"""How many shapes of changes are kept apart, and as many of errors; what is beyond is counted."""
COLLISIONS = 100
"""How many collisions are named; what is beyond is counted."""
CLAIMS = 1_000_000
"""Among how many objects collisions are looked for: some 100 bytes each."""
LONGEST_VALUE = 300
"""Characters of an example's value as JSON; a longer one is cut."""
_NOTHING: Any = ...  # JSON has none of it, and in another process it is the same
_SETTINGS = ("after", "delete", "conflict", "create", "ignore", "ready")


class Token(NamedTuple):
    """What names an impact that was seen: the declaration's digest, the revision that it was compared with (0: none),
    how many rows there were, and the second in which the last one had changed (empty: none).
    """

    digest: str
    revision: str
    rows: str
    moment: str

    @classmethod
    def of(cls, text: str) -> Token:
        """The inverse of `str`; what a text lacks is empty."""
        parts = text.split(".", 3)
        return cls(*parts, *[""] * (4 - len(parts)))

    def __str__(self) -> str:
        return ".".join(self)


@dataclass(frozen=True)
class Shape:
    """The shape of a change: of what is it, where in the manifest, and of which sort."""

    action: Action
    kind: str
    manifest: str
    path: str = ""
    change: Change = ""


@dataclass(frozen=True)
class Example:
    """One row of a group; values are cut, and `_NOTHING` where there is none."""

    key: str
    object: str
    before: Any = _NOTHING
    after: Any = _NOTHING


@dataclass
class _Value:
    """A value for as long as all rows have the same one."""

    shown: Any
    digest: bytes
    same: bool = True

    @classmethod
    def of(cls, value: Any) -> _Value:
        return cls(_shown(value), _digest(value))


class _Group:
    def __init__(self) -> None:
        self.rows = 0
        self.objects = 0
        self.examples: list[Example] = []
        self._last_row = ""
        self._values: tuple[_Value, _Value] | None = None

    def add(self, key: str, name: str, before: Any, after: Any, sample: int) -> None:
        self.objects += 1
        if self.rows == 0 or key != self._last_row:
            self.rows += 1
            self._last_row = key
            if len(self.examples) < sample:
                self.examples.append(Example(key, name, _shown(before), _shown(after)))
        if self._values is None:
            self._values = _Value.of(before), _Value.of(after)
            return
        for known, value in zip(self._values, (before, after), strict=True):
            if known.same:
                known.same = _digest(value) == known.digest

    def merge(self, other: _Group, sample: int) -> None:
        self.rows += other.rows
        self.objects += other.objects
        self.examples = (self.examples + other.examples)[:sample]
        if self._values is None:
            self._values = other._values
        elif other._values is not None:
            for known, value in zip(self._values, other._values, strict=True):
                known.same = known.same and value.same and value.digest == known.digest

    def as_json(self, shape: Shape) -> dict[str, Any]:
        before, after = self._values or (_Value.of(_NOTHING), _Value.of(_NOTHING))
        return {
            **vars(shape),
            "before": _value_as_json(before),
            "after": _value_as_json(after),
            "rows": self.rows,
            "objects": self.objects,
            "examples": [_example_as_json(each) for each in self.examples],
        }


@dataclass
class _Errors:
    rows: int = 0
    before: int = 0
    examples: list[str] = field(default_factory=list)


class Impact:
    """Adds up what becomes of rows; `sample` is how many examples of each group are kept."""

    def __init__(self, sample: int = 3, settings: Sequence[Mapping[str, Any]] = (), claims: int = CLAIMS) -> None:
        """`settings` are those of `settings_between`; `claims`: among how many objects collisions are looked for."""
        self._sample = sample
        self._claims = claims
        self._groups: dict[Shape, _Group] = {}
        self._errors: dict[tuple[str, str, str], _Errors] = {}
        self._claimed: dict[bytes, str] = {}
        self._places: list[tuple[str, str]] = []
        self._collisions: list[dict[str, Any]] = []
        self._objects: Counter[str] = Counter()
        self._settings = list(settings)
        self._more = self._more_errors = self._collided = 0
        self.rows = self.changed = self.failed = self.recovered = 0

    def add(self, key: str, old: Rendering, new: Rendering, retained: Collection[str] = ()) -> None:
        """One row, by the revision that it is of and by the new declaration; each is added once.

        `retained` are the ids of the old manifests whose objects are left behind.
        """
        self.rows += 1
        if isinstance(new, ExpressionError):
            # All of it stays as it is; who has no object of it yet, gets none.
            self.failed += 1
            what = (new.path, new.expression, new.message)
            self._add_errors(what, _Errors(1, int(isinstance(old, ExpressionError)), [key]))
            return
        objects = {each.object: each for each in new.manifests}
        for name in objects:
            self._claim("\0".join((new.environment or "", name.kind, name.namespace, name.name)), key)
        changes = list(_changes(old, new, objects, retained, self._objects))
        if isinstance(old, ExpressionError):
            self.recovered += 1
        self.changed += bool(changes)
        for shape, whose, before, after in changes:
            group = self._group(shape)
            if group is None:
                self._more += 1
            else:
                group.add(key, whose, before, after, self._sample)

    def merge(self, other: Impact) -> None:
        """Rows that were added elsewhere, after those of here; what is kept has the same bounds."""
        self.rows += other.rows
        self.changed += other.changed
        self.failed += other.failed
        self.recovered += other.recovered
        self._objects += other._objects
        self._more += other._more
        self._more_errors += other._more_errors
        for shape, its in other._groups.items():
            group = self._group(shape)
            if group is None:
                self._more += its.objects
            else:
                group.merge(its, self._sample)
        for what, errors in other._errors.items():
            self._add_errors(what, errors)
        self._collided += other._collided
        self._collisions = (self._collisions + other._collisions)[:COLLISIONS]
        for place, key in other._places:
            self._claim(place, key)

    def _group(self, shape: Shape) -> _Group | None:
        group = self._groups.get(shape)
        if group is None and len(self._groups) < SHAPES:
            group = self._groups[shape] = _Group()
        return group

    @property
    def trouble(self) -> bool:
        """Whether a row can't be rendered, or wants an object that another one wants."""
        return bool(self.failed or self._collided)

    @property
    def changes(self) -> bool:
        """Whether anything becomes another one."""
        return bool(self.changed or self.recovered or self._settings)

    def as_json(self) -> dict[str, Any]:
        """All of it, the loudest first, and of these what most rows have."""
        groups = sorted(
            self._groups.items(),
            key=lambda each: (ACTIONS.index(each[0].action), -each[1].rows, each[0].manifest, each[0].path),
        )
        errors = sorted(self._errors.items(), key=lambda each: (-each[1].rows, each[0]))
        actions = ("made", "removed", "retained", "moved", "changed", "unchanged")
        return {
            "rows": self.rows,
            "changed_rows": self.changed,
            "failed_rows": self.failed,
            "recovered_rows": self.recovered,
            "objects": {action: self._objects[action] for action in actions},
            "settings": self._settings,
            "groups": [group.as_json(shape) for shape, group in groups],
            "more_changes": self._more,
            "errors": [
                {"path": path, "expression": expression, "message": message, **vars(found)}
                for (path, expression, message), found in errors
            ],
            "more_errors": self._more_errors,
            "collisions": self._collisions,
            "more_collisions": self._collided - len(self._collisions),
            "collisions_looked_for_among": len(self._claimed),
        }

    def _add_errors(self, what: tuple[str, str, str], errors: _Errors) -> None:
        known = self._errors.get(what)
        if known is None and len(self._errors) >= SHAPES:
            self._more_errors += errors.rows
            return
        if known is None:
            known = self._errors[what] = _Errors()
        known.rows += errors.rows
        known.before += errors.before
        known.examples = (known.examples + errors.examples)[: self._sample]

    def _claim(self, place: str, key: str) -> None:
        digest = hashlib.blake2b(place.encode(), digest_size=8).digest()
        other = self._claimed.get(digest)
        if other is not None:
            self._collided += 1
            if len(self._collisions) < COLLISIONS:
                environment, *name = place.split("\0")
                known = {"object": str(ObjectName(*name)), "environment": environment or None}
                self._collisions.append({**known, "keys": [other, key]})
        elif len(self._claimed) < self._claims:
            self._claimed[digest] = key


class Part(Impact):
    """Some of the rows, to be merged with others: only among all of them collisions are looked for."""

    def _claim(self, place: str, key: str) -> None:
        self._places.append((place, key))


_Found = tuple[Shape, str, Any, Any]
"""A change's shape, whose it is, and its values."""


def _changes(
    old: Rendering,
    new: RenderedRow,
    objects: Mapping[ObjectName, RenderedManifest],
    retained: Collection[str],
    counts: Counter[str],
) -> Iterator[_Found]:
    """`objects` are those of the new rendering; `counts` is of objects, by what becomes of them."""
    before: dict[ObjectName, RenderedManifest] = {}
    if isinstance(old, RenderedRow):
        before = {each.object: each for each in old.manifests}
        for path, was, becomes in (
            ("spec.name", old.name, new.name),
            ("spec.environment", old.environment, new.environment),
        ):
            # A row without manifests is nowhere, and one that gets its first ones is not moved.
            if was != becomes and old.manifests and new.manifests:
                yield Shape("row", "", "", path, "changed"), "", was, becomes
    made: list[tuple[ObjectName, RenderedManifest]] = []
    for name, manifest in objects.items():
        had = before.pop(name, None)
        if had is None:
            made.append((name, manifest))
            continue
        # Most are equal to the letter, which is known ten times sooner. (To ==, true is 1.)
        same = had.content is manifest.content or repr(had.content) == repr(manifest.content)
        differences = [] if same else list(_differences("", had.content, manifest.content))
        counts["changed" if differences else "unchanged"] += 1
        for path, change, was, becomes in differences:
            yield Shape("changed", name.kind, manifest.id, path, change), str(name), was, becomes
    for name, manifest in made:
        former = _moved_from(name, manifest, before)
        if former is None:
            counts["made"] += 1
            yield Shape("made", name.kind, manifest.id), str(name), _NOTHING, _NOTHING
            continue
        del before[former]
        if manifest.id in retained:
            counts["retained"] += 1
            yield Shape("retained", former.kind, manifest.id), str(former), _NOTHING, _NOTHING
        counts["moved"] += 1
        for part in ("namespace", "name"):
            its = getattr(former, part), getattr(name, part)
            if its[0] != its[1]:
                shape = Shape("moved", name.kind, manifest.id, f"metadata.{part}", "changed")
                yield shape, f"{former} → {name}", *its
    for name, manifest in before.items():
        action: Action = "retained" if manifest.id in retained else "removed"
        counts[action] += 1
        yield Shape(action, name.kind, manifest.id), str(name), _NOTHING, _NOTHING


def _moved_from(
    name: ObjectName, manifest: RenderedManifest, left: Mapping[ObjectName, RenderedManifest]
) -> ObjectName | None:
    """Which of the objects that are no more this new one was: the first one of its manifest and kind."""
    return next((one for one, was in left.items() if was.id == manifest.id and one.kind == name.kind), None)


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Change, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old if old.keys() == new.keys() else {**old, **new}:
            was, becomes = old.get(name, _NOTHING), new.get(name, _NOTHING)
            if was is not becomes:  # what is rendered once is equal
                yield from _differences(_member(path, name), was, becomes)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _differences_of_lists(path, old, new)
    elif old is _NOTHING:
        yield path, "set", old, new
    elif new is _NOTHING:
        yield path, "removed", old, new
    # To Python, true is 1.
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, "changed", old, new


def _differences_of_lists(path: str, old: list[Any], new: list[Any]) -> Iterator[tuple[str, Change, Any, Any]]:
    """Items by their names, if all have one: one that is put in front changes no other. Else by their places."""
    names = _names(old), _names(new)
    if names[0] is None or names[1] is None:
        for index in range(max(len(old), len(new))):
            pair = (items[index] if index < len(items) else _NOTHING for items in (old, new))
            yield from _differences(f"{path}[{index}]", *pair)
        return
    had, has = ({name: index for index, name in enumerate(known)} for known in names if known is not None)
    for name, index in has.items():
        yield from _differences(f"{path}[{index}]", old[had[name]] if name in had else _NOTHING, new[index])
    for name, index in had.items():
        if name not in has:
            yield from _differences(f"{path}[{index}]", old[index], _NOTHING)
    orders = [name for name in had if name in has], [name for name in has if name in had]
    if orders[0] != orders[1]:
        yield f"{path} (order)", "changed", *orders


def _names(items: list[Any]) -> list[str] | None:
    names = [item["name"] for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)]
    return names if len({*names}) == len(items) else None


def _member(path: str, name: str) -> str:
    if name.replace("_", "").replace("-", "").isalnum():
        return f"{path}.{name}" if path else name
    return f"{path}[{json.dumps(name, ensure_ascii=False)}]"


def settings_between(old: Renderer, new: Renderer) -> Iterator[dict[str, Any]]:
    """What differs in how manifests are treated that both have: `manifest`, `setting`, `before`, `after`."""
    known = {manifest.id: manifest for manifest in old.manifests}
    for manifest in new.manifests:
        was = known.get(manifest.id)
        for setting in _SETTINGS if was is not None else ():
            before, after = (_plain(getattr(each, setting)) for each in (was, manifest))
            if before != after:
                yield {"manifest": manifest.id, "setting": setting, "before": before, "after": after}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _digest(value: Any) -> bytes:
    return b"" if value is _NOTHING else hashlib.blake2b(_as_text(value).encode(), digest_size=16).digest()


def _shown(value: Any) -> Any:
    if value is _NOTHING:
        return value
    text = value if isinstance(value, str) else _as_text(value)
    return value if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text)} characters)"


def _as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True)


def _value_as_json(value: _Value) -> dict[str, Any] | None:
    if value.shown is _NOTHING:
        return None
    return {"value": value.shown} if value.same else {"varies": True}


def _example_as_json(example: Example) -> dict[str, Any]:
    return {name: value for name, value in vars(example).items() if value is not _NOTHING}
