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


Entry = Held | Listing | Unreadable | Place


def is_foreign(entry: Entry) -> bool:
    """Whether what is at a path is somebody else's."""
    return entry is Place.FOREIGN or isinstance(entry, Unreadable)


class Index:
    """The entries of one tree. Holds about half a kilobyte a file."""

    def __init__(self) -> None:
        self._paths: dict[str, Entry] = {}
        self._rows: dict[RowKey, tuple[Held, ...]] = {}
        self._folders: dict[str, int] = {}
        self._inside: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Held]:
        return (entry for entry in self._paths.values() if isinstance(entry, Held))

    def own(self, row: RowKey) -> tuple[Held, ...]:
        """The files that carry a row's id."""
        return self._rows.get(row, ())

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
        return self._inside.get(folder, frozenset())

    def _attach(self, held: Entry) -> None:
        if isinstance(held, Held):
            row = held.row
            self._rows[row] = (*self._rows.get(row, ()), held)
            self._inside.setdefault(held.key.rpartition("/")[0], set()).add(held.key)

    def _detach(self, held: Entry | None) -> None:
        if not isinstance(held, Held):
            return
        folder = held.key.rpartition("/")[0]
        self._inside[folder].discard(held.key)
        if not self._inside[folder]:
            del self._inside[folder]
        row = held.row
        rest = tuple(other for other in self._rows[row] if other.key != held.key)
        if rest:
            self._rows[row] = rest
        else:
            del self._rows[row]

    def _count(self, path: str, by: int) -> None:
        for folder in _folders(path):
            files = self._folders.get(folder, 0) + by
            if files:
                self._folders[folder] = files
            else:
                del self._folders[folder]


def _folders(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        path = path[:at]
        yield path
        at = path.rfind("/")
