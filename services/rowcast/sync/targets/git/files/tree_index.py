"""What the branch's tree holds under the root, in memory: by path and by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from enum import Enum

from rowcast.core.plan import Held
from rowcast.core.row import RowKey


class Place(Enum):
    """A path that does not hold a file of ours."""

    FREE = "free"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Listing:
    """A kustomization of ours: `digest` is of its bytes."""

    digest: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that names Rowcast and can't be read: foreign, until somebody has mended or removed it."""

    why: str


@dataclass(frozen=True, slots=True)
class OfAnother:
    """A file of another target of Rowcast's: `target` says which, in words."""

    target: str


Entry = Held | Listing | Unreadable | OfAnother | Place


def is_foreign(entry: Entry) -> bool:
    """Whether what is at a path is somebody else's."""
    return entry is Place.FOREIGN or isinstance(entry, Unreadable | OfAnother)


class Index:
    """The entries of one tree. Holds less than half a kilobyte a file."""

    def __init__(self) -> None:
        self._paths: dict[str, Entry] = {}
        # Of most rows there is one file: a tuple around it would be one object more for each.
        self._rows: dict[RowKey, Held | tuple[Held, ...]] = {}
        self._folders: dict[str, int] = {}
        # By folder; only kustomizations want it.
        self._inside: dict[str, set[str]] | None = None

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Held]:
        return (entry for entry in self._paths.values() if isinstance(entry, Held))

    def own(self, row: RowKey) -> tuple[Held, ...]:
        """The files that carry a row's id."""
        there = self._rows.get(row, ())
        return (there,) if isinstance(there, Held) else there

    def at(self, path: str) -> Entry:
        """What is at a path. A folder there, or a file where a folder would have to be, is foreign."""
        if path in self._paths:
            return self._paths[path]
        if path in self._folders or any(folder in self._paths for folder in _folders(path)):
            return Place.FOREIGN
        return Place.FREE

    def put(self, path: str, entry: Entry) -> None:
        """Say what is at a path from now on."""
        known = path in self._paths
        self._detach(self._paths.pop(path, None))
        if entry is not Place.FREE:
            self._paths[path] = entry
            self._attach(entry)
        if known != (entry is not Place.FREE):
            self._count(path, -1 if known else 1)

    def restore(self, before: Mapping[str, Entry]) -> None:
        """Take changes back: `before` is what was at each path."""
        for path, entry in before.items():
            self.put(path, entry)

    def inside(self, folder: str) -> Set[str]:
        """The paths of our files in a folder itself; empty for the repository's own."""
        if self._inside is None:
            self._inside = {}
            for held in self:
                self._inside.setdefault(_folder(held), set()).add(held.key)
        return self._inside.get(folder, frozenset())

    def _attach(self, held: Entry) -> None:
        if isinstance(held, Held):
            known = self.own(held.row)
            self._rows[held.row] = (*known, held) if known else held
            if self._inside is not None:
                self._inside.setdefault(_folder(held), set()).add(held.key)

    def _detach(self, held: Entry | None) -> None:
        if not isinstance(held, Held):
            return
        if self._inside is not None:
            folder = _folder(held)
            self._inside[folder].discard(held.key)
            if not self._inside[folder]:
                del self._inside[folder]
        rest = tuple(other for other in self.own(held.row) if other.key != held.key)
        if rest:
            self._rows[held.row] = rest if len(rest) > 1 else rest[0]
        else:
            del self._rows[held.row]

    def _count(self, path: str, by: int) -> None:
        for folder in _folders(path):
            files = self._folders.get(folder, 0) + by
            if files:
                self._folders[folder] = files
            else:
                del self._folders[folder]


def _folder(held: Held) -> str:
    return held.key.rpartition("/")[0]


def _folders(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        path = path[:at]
        yield path
        at = path.rfind("/")
