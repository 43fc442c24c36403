"""Reads trees, files and messages out of the local mirror."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rowcast.sync.targets.git.files.bundles import FILE_BYTES
from rowcast.sync.targets.git.files.kustomizations import LISTING_LIMIT, may_be_listing, read_listing
from rowcast.sync.targets.git.files.reading import may_be_ours, read_entry, read_unreadable
from rowcast.sync.targets.git.files.tree_index import Entry, Place
from rowcast.sync.targets.git.repository.process import GitError

FILE_MODES = frozenset({"100644", "100755"})
GONE = "000000"
_READ_AT_ONCE = 2_000
_BYTES_AT_ONCE = 16 * 2**20


class Repository(Protocol):
    """A repository to ask: runs a git command that reads, and returns its output."""

    async def read(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Raises GitError."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """A path of a tree: a file, a link, a submodule, or what is gone since another tree."""

    mode: str
    blob: str
    path: str


async def listed(repository: Repository, commit: str, folder: str) -> Iterator[Node]:
    """Every path at or below a folder, or of the whole tree; each is made when it is looked at, and there may be a
    million.
    """
    below = ["--", folder] if folder else []
    return _nodes(await repository.read("ls-tree", "-r", "-z", "--full-tree", commit, *below))


def _nodes(out: bytes) -> Iterator[Node]:
    for record in _records(out):
        head, _, path = record.partition("\t")
        mode, _, blob = head.split(" ")
        yield Node(mode, blob, path)


async def changed(repository: Repository, old: str, new: str, folder: str) -> list[Node]:
    """Every path at or below a folder that differs between two commits, as it is in the new one."""
    below = ["--", folder] if folder else []
    out = await repository.read("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new, *below)
    records = _records(out)
    # strict is wrong here: one iterator feeds both sides of each pair
    return [Node(head.split(" ")[1], head.split(" ")[3], path) for head, path in zip(records, records, strict=False)]


async def entries(
    repository: Repository, nodes: Iterable[Node], root: str, target: str
) -> AsyncIterator[tuple[str, Entry]]:
    """What each path means to the index of a target. Files are read some thousand at a time."""
    prefix = f"{root}/" if root else ""
    files = []
    for node in nodes:
        if node.mode == GONE:
            yield node.path, Place.FREE
        elif node.mode in FILE_MODES and may_be_ours(node.path) and node.path.startswith(prefix):
            files.append(node)
        else:
            yield node.path, Place.FOREIGN
        if len(files) == _READ_AT_ONCE:
            async for path, held in _read(repository, files, target):
                yield path, held
            files = []
    async for path, held in _read(repository, files, target):
        yield path, held


async def written(repository: Repository, nodes: Sequence[Node]) -> dict[str, bytes | None]:
    """The content of each path; None where it is gone."""
    blobs = sorted({node.blob for node in nodes if node.mode != GONE})
    found: dict[str, bytes] = {}
    for start in range(0, len(blobs), _READ_AT_ONCE):
        found |= await _contents(repository, blobs[start : start + _READ_AT_ONCE])
    return {node.path: None if node.mode == GONE else found[node.blob] for node in nodes}


async def _read(repository: Repository, files: Sequence[Node], target: str) -> AsyncIterator[tuple[str, Entry]]:
    if not files:
        return
    sizes = await _sizes(repository, {node.blob for node in files})
    small = []
    for node in files:
        if sizes[node.blob] <= (LISTING_LIMIT if may_be_listing(node.path) else FILE_BYTES):
            small.append(node)
        else:
            yield node.path, Place.FOREIGN
    for nodes in _in_parts(small, sizes):
        contents = await _contents(repository, list({node.blob for node in nodes}))
        for node in nodes:
            yield node.path, _entry(node.path, contents[node.blob], target)


def _in_parts(nodes: Sequence[Node], sizes: Mapping[str, int]) -> Iterator[list[Node]]:
    """So many files at once as fit into memory beside everything else, whoever has made them large."""
    part: list[Node] = []
    read = 0
    for node in nodes:
        if part and read + sizes[node.blob] > _BYTES_AT_ONCE:
            yield part
            part, read = [], 0
        part.append(node)
        read += sizes[node.blob]
    if part:
        yield part


def _entry(path: str, content: bytes, target: str) -> Entry:
    try:
        ours = read_listing(path, content) or read_entry(path, content, target)
        return ours or read_unreadable(content) or Place.FOREIGN
    except Exception as error:
        # Neither raises, as far as we know: whoever has to find out needs the file's name.
        raise RuntimeError(f"{path}: the file cannot be judged: {error!r}") from error


async def _sizes(repository: Repository, blobs: Collection[str]) -> dict[str, int]:
    out = await repository.read("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=_names(blobs))
    answers = (line.split(" ") for line in out.decode().splitlines())
    return {name: int(_present(name, size)) for name, size in answers}


def _present(blob: str, answer: str) -> str:
    """`cat-file` says `<name> missing` of an object that it hasn't got. Raises GitError: the copy is damaged."""
    if answer == "missing":
        raise GitError(f"git cat-file: the object {blob} is missing")
    return answer


async def _contents(repository: Repository, blobs: Sequence[str]) -> dict[str, bytes]:
    """`cat-file --batch` answers `<name> <type> <size>`, a newline, the content, a newline."""
    if not blobs:
        return {}
    out = await repository.read("cat-file", "--batch", stdin=_names(blobs))
    contents = {}
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        name, *_, size = out[at:end].decode().split(" ")
        at = end + 1 + int(_present(name, size))
        contents[name] = out[end + 1 : at]
        at += 1
    return contents


def _names(blobs: Iterable[str]) -> bytes:
    return "".join(f"{blob}\n" for blob in blobs).encode()


def _records(out: bytes) -> Iterator[str]:
    at = 0
    while (end := out.find(b"\0", at)) != -1:
        yield out[at:end].decode(errors="surrogateescape")
        at = end + 1
