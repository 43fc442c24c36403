"""What the branch's tree holds under the root, in memory: by path and by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from rowcast.core.plan import Held
from rowcast.core.ports import RowKey


class Place(Enum):
    """A path that does not hold a file of ours."""

    FREE = "free"
    FOREIGN = "foreign"


Entry = Held | Place


class Index:
    """The entries of one tree. Holds about half a kilobyte a file."""

    def __init__(self) -> None:
        self._paths: dict[str, Held | None] = {}
        self._rows: dict[RowKey, tuple[Held, ...]] = {}
        self._folders: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Held]:
        return (held for held in self._paths.values() if held is not None)

    def own(self, row: RowKey) -> tuple[Held, ...]:
        """The files that carry a row's id."""
        return self._rows.get(row, ())

    def at(self, path: str) -> Entry:
        """What is at a path. A folder there, or a file where a folder would have to be, is foreign."""
        if path in self._paths:
            return self._paths[path] or Place.FOREIGN
        if path in self._folders or any(folder in self._paths for folder in _folders(path)):
            return Place.FOREIGN
        return Place.FREE

    def put(self, path: str, entry: Entry) -> None:
        """Say what is at a path from now on."""
        known = path in self._paths
        self._detach(self._paths.pop(path, None))
        if entry is not Place.FREE:
            held = entry if isinstance(entry, Held) else None
            self._paths[path] = held
            self._attach(held)
        if known != (entry is not Place.FREE):
            self._count(path, -1 if known else 1)

    def restore(self, before: Mapping[str, Entry]) -> None:
        """Take changes back: `before` is what was at each path."""
        for path, entry in before.items():
            self.put(path, entry)

    def _attach(self, held: Held | None) -> None:
        if held is not None:
            row = (held.table, held.row_id)
            self._rows[row] = (*self._rows.get(row, ()), held)

    def _detach(self, held: Held | None) -> None:
        if held is None:
            return
        row = (held.table, held.row_id)
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
