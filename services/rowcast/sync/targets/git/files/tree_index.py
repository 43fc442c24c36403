"""What the branch's tree holds under the root: by path and by row.

SQLite keeps it, in a file of the cache folder: what a million files mean is more than an instance should have in
memory. Nothing in it is the truth; whatever goes wrong with it, the tree is read anew.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from sys import intern
from typing import Any, Final

from rowcast.core.plan import Held
from rowcast.core.row import RowKey

CACHE_KIBIBYTES: Final = 32 * 1024
"""Of the file, in this process."""
_READ_AT_ONCE: Final = 1_000
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS folders (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY,
    folder INTEGER NOT NULL,
    name BLOB NOT NULL,
    kind INTEGER NOT NULL,
    said BLOB NOT NULL,
    renderer BLOB,
    key BLOB,
    generation INTEGER,
    lsn INTEGER,
    UNIQUE (folder, name)
);
CREATE INDEX IF NOT EXISTS files_of_rows ON files (key, renderer) WHERE key IS NOT NULL;
"""
_PRAGMAS: Final = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -{CACHE_KIBIBYTES};
"""
_FILES: Final = """
SELECT files.id, folders.path, name, said, renderer, key, generation, lsn
FROM files JOIN folders ON folders.id = folder WHERE key IS NOT NULL
"""
_FOLDERS: Final = """
SELECT folders.id, path, count(files.id) FROM folders LEFT JOIN files ON folder = folders.id GROUP BY folders.id
"""
_AT: Final = "SELECT kind, said, renderer, key, generation, lsn FROM files WHERE folder = ? AND name = ?"
_UPDATE: Final = """
UPDATE files SET kind = ?, said = ?, renderer = ?, key = ?, generation = ?, lsn = ? WHERE folder = ? AND name = ?
"""
_INSERT: Final = """
INSERT INTO files (kind, said, renderer, key, generation, lsn, folder, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_DELETE: Final = "DELETE FROM files WHERE folder = ? AND name = ?"
_MEMORY: Final = ":memory:"
# Names are of bytes, and need not be Unicode; SQLite's text has to be.
_ERRORS: Final = "surrogatepass"


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

_HELD, _FOREIGN, _LISTING, _UNREADABLE, _OF_ANOTHER = range(5)


def is_foreign(entry: Entry) -> bool:
    """Whether what is at a path is somebody else's."""
    return entry is Place.FOREIGN or isinstance(entry, Unreadable | OfAnother)


class Index:
    """The entries of one tree; `tip` is the commit that it is of, as far as whoever fills it has said.

    Without a file it is in memory. With one it goes on from what `close` left there, if that was `of` the same. One
    process at a time. Any of it raises sqlite3.Error, after which the index is of no use.
    """

    def __init__(self, file: Path | None = None, of: str = "") -> None:
        """`of` says what decides how a tree is read: an index that was made otherwise is begun anew."""
        self._file = file
        self._of = of
        self.tip = _left(file, of) if file is not None else None
        if file is not None and self.tip is None:
            file.unlink(missing_ok=True)
        self._open()

    def _open(self) -> None:
        self._db = _connected(self._file)
        self._db.executescript(_SCHEMA)
        # How many files are in a folder and in those below it; folders with files of their own have an id.
        self._folders: dict[str, int] = {}
        self._ids: dict[str, int] = {}
        for identity, path, files in self._db.execute(_FOLDERS):
            folder = _text(path)
            self._ids[folder] = identity
            for above in (folder, *_folders(folder)) if folder and files else ():
                self._folders[above] = self._folders.get(above, 0) + files
        self._db.execute("BEGIN")

    def clear(self) -> None:
        """Begin an empty one."""
        self._db.close()
        if self._file is not None:
            self._file.unlink(missing_ok=True)
        self.tip = None
        self._open()

    def close(self) -> None:
        """Leave it to who comes next, if it is of a commit."""
        self._db.execute("COMMIT")
        self._db.close()
        if self._file is not None and self.tip is not None:
            _mark(self._file).write_text(json.dumps([self._of, self.tip, *_stamp(self._file)]))

    def __len__(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM files").fetchone()
        return int(count)

    def __iter__(self) -> Iterator[Held]:
        return _all(self._db)

    def own(self, row: RowKey) -> tuple[Held, ...]:
        """The files that carry a row's id."""
        return tuple(held for _, held in _own(self._db, row))

    def at(self, path: str) -> Entry:
        """What is at a path. A folder there, or a file where a folder would have to be, is foreign."""
        found = self._at(path)
        if found is not None:
            return _entry(path, found)
        if path in self._folders or any(self._at(folder) for folder in _folders(path)):
            return Place.FOREIGN
        return Place.FREE

    def _at(self, path: str) -> tuple[Any, ...] | None:
        folder, name = _split(path)
        identity = self._ids.get(folder)
        if identity is None:
            return None
        record: tuple[Any, ...] | None = self._db.execute(_AT, (identity, _bytes(name))).fetchone()
        return record

    def put(self, path: str, entry: Entry) -> None:
        """Say what is at a path from now on."""
        folder, name = _split(path)
        identity = self._ids.get(folder)
        place = (identity, _bytes(name))
        if entry is Place.FREE:
            if identity is not None and self._db.execute(_DELETE, place).rowcount:
                self._counted(path, -1)
            return
        record = _record(entry)
        if identity is None:
            place = (self._begun(folder), _bytes(name))
        elif self._db.execute(_UPDATE, (*record, *place)).rowcount:
            return
        self._db.execute(_INSERT, (*record, *place))
        self._counted(path, 1)

    def _begun(self, folder: str) -> int:
        identity = self._db.execute("INSERT INTO folders (path) VALUES (?)", (_bytes(folder),)).lastrowid
        self._ids[folder] = identity or 0
        return identity or 0

    def restore(self, before: Mapping[str, Entry]) -> None:
        """Take changes back: `before` is what was at each path."""
        for path, entry in before.items():
            self.put(path, entry)

    def inside(self, folder: str) -> Set[str]:
        """The paths of our files in a folder itself; empty for the repository's own."""
        identity = self._ids.get(folder)
        names = self._db.execute("SELECT name FROM files WHERE folder = ? AND key IS NOT NULL", (identity,))
        return {_path(folder, _text(name)) for (name,) in names}

    def named(self, names: Collection[str]) -> Mapping[str, RowKey]:
        """The rows whose files are called so, without their suffixes."""
        if not names:
            return {}
        found = self._db.execute("SELECT name, renderer, key FROM files WHERE key IS NOT NULL")
        wanted = {_bytes(name) for name in names}
        return {
            _text(stem): _row(renderer, key)
            for name, renderer, key in found
            if (stem := name.rpartition(b".")[0]) in wanted
        }

    def inventory(self) -> TreeInventory:
        """All that it holds of ours now, whatever becomes of it."""
        file = self._file and self._file.with_suffix(".inventory")
        if file is not None:
            file.unlink(missing_ok=True)
        copy = _connected(file)
        try:
            self._db.execute("COMMIT")
            self._db.backup(copy)
            self._db.execute("BEGIN")
            return TreeInventory(copy)
        except BaseException:
            copy.close()
            raise
        finally:
            if file is not None:
                # It goes with the connection.
                file.unlink(missing_ok=True)

    def _counted(self, path: str, by: int) -> None:
        for folder in _folders(path):
            files = self._folders.get(folder, 0) + by
            if files:
                self._folders[folder] = files
                continue
            del self._folders[folder]
            identity = self._ids.pop(folder, None)
            if identity is not None:
                self._db.execute("DELETE FROM folders WHERE id = ?", (identity,))


class TreeInventory:
    """The `Inventory` port over a copy of an index, which goes when nobody has it any more."""

    def __init__(self, copy: sqlite3.Connection) -> None:
        self._db = copy
        last, self._rows = copy.execute(
            "SELECT (SELECT max(id) FROM files), (SELECT count(*) FROM (SELECT DISTINCT key, renderer FROM files"
            " WHERE key IS NOT NULL))"
        ).fetchone()
        self._taken = bytearray((last or 0) // 8 + 1)
        # By itself a connection stays, with all of its file and its cache: it is in a cycle with its own statements.
        weakref.finalize(self, copy.close)

    @property
    def rows(self) -> int:
        """How many rows something is held of."""
        return int(self._rows)

    def __iter__(self) -> Iterator[Held]:
        yield from _all(self._db)

    def take(self, row: RowKey) -> Sequence[Held]:
        """What is held of a row."""
        held = []
        for identity, one in _own(self._db, row):
            self._taken[identity >> 3] |= 1 << (identity & 7)
            held.append(one)
        return held

    def at(self, place: str) -> Held | None:
        """What is held at a place."""
        folder, name = map(_bytes, _split(place))
        for record in self._db.execute(f"{_FILES} AND folders.path = ? AND name = ?", (folder, name)):
            return _held(record)
        return None

    def rest(self) -> Iterator[tuple[RowKey, Sequence[Held]]]:
        """What is held of rows that were not taken."""
        row: RowKey | None = None
        held: list[Held] = []
        for record in _read(self._db, f"{_FILES} ORDER BY key, renderer, files.id"):
            if self._taken[record[0] >> 3] >> (record[0] & 7) & 1:
                continue
            one = _held(record)
            if row is not None and one.row != row:
                yield row, held
                held = []
            row = one.row
            held.append(one)
        if row is not None:
            yield row, held


def _connected(file: Path | None) -> sqlite3.Connection:
    # Whoever asks has its turn: one thread at a time, not always the same one.
    db = sqlite3.connect(file or _MEMORY, isolation_level=None, check_same_thread=False)
    db.executescript(_PRAGMAS)
    return db


def _left(file: Path, of: str) -> str | None:
    """The commit of the index that is in a file; None where there is none that can be gone on with.

    The mark goes at once: it is for who ends as it should, and only of the file as it was left.
    """
    mark = _mark(file)
    try:
        said = json.loads(mark.read_text())
        mark.unlink()
        made, tip, *stamp = said
        return str(tip) if made == of and stamp == [*_stamp(file)] else None
    except (OSError, ValueError, TypeError):
        mark.unlink(missing_ok=True)
        return None


def _mark(file: Path) -> Path:
    return file.with_suffix(".tip")


def _stamp(file: Path) -> tuple[int, int, int]:
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(db: sqlite3.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    cursor = db.execute(statement)
    while records := cursor.fetchmany(_READ_AT_ONCE):
        yield from records


def _all(db: sqlite3.Connection) -> Iterator[Held]:
    return (_held(record) for record in _read(db, f"{_FILES} ORDER BY files.id"))


def _own(db: sqlite3.Connection, row: RowKey) -> Iterator[tuple[int, Held]]:
    named = (_bytes(row.key), _bytes(row.renderer))
    for record in db.execute(f"{_FILES} AND key = ? AND renderer = ? ORDER BY files.id", named).fetchall():
        yield record[0], _held(record)


def _held(record: tuple[Any, ...]) -> Held:
    _, folder, name, said, renderer, key, generation, lsn = record
    return Held(_path(_text(folder), _text(name)), _row(renderer, key), generation, lsn, _text(said))


def _row(renderer: bytes, key: bytes) -> RowKey:
    return RowKey(intern(_text(renderer)), _text(key))


def _record(entry: Entry) -> tuple[Any, ...]:
    if isinstance(entry, Held):
        row = entry.row
        digest = _bytes(entry.digest)
        return _HELD, digest, _bytes(row.renderer), _bytes(row.key), entry.generation, entry.lsn
    if isinstance(entry, Listing):
        kind, said = _LISTING, entry.digest
    elif isinstance(entry, Unreadable):
        kind, said = _UNREADABLE, entry.why
    elif isinstance(entry, OfAnother):
        kind, said = _OF_ANOTHER, entry.target
    else:
        kind, said = _FOREIGN, ""
    return kind, _bytes(said), None, None, None, None


def _entry(path: str, record: tuple[Any, ...]) -> Entry:
    kind, said, renderer, key, generation, lsn = record
    if kind == _HELD:
        return Held(path, _row(renderer, key), generation, lsn, _text(said))
    if kind == _LISTING:
        return Listing(_text(said))
    if kind == _UNREADABLE:
        return Unreadable(_text(said))
    return OfAnother(_text(said)) if kind == _OF_ANOTHER else Place.FOREIGN


def _bytes(text: str) -> bytes:
    return text.encode(errors=_ERRORS)


def _text(stored: bytes) -> str:
    return stored.decode(errors=_ERRORS)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _folders(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        path = path[:at]
        yield path
        at = path.rfind("/")
