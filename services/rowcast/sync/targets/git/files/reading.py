"""Which files of a repository are ours, and which rows they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rowcast.core.digest import digest_of, digest_of_bytes
from rowcast.core.held import Marks, marks
from rowcast.core.plan import Held
from rowcast.core.render import MANAGED_BY
from rowcast.core.row import APP_CONFIGS
from rowcast.sync.targets.git.files.bundles import digest_of_documents
from rowcast.sync.targets.git.files.parsing import Document, UnreadableError, parse
from rowcast.sync.targets.git.files.plain import read_plain
from rowcast.sync.targets.git.files.tree_index import OfAnother, Unreadable

NOT_OWNED = "not-owned"


def may_be_ours(path: str) -> bool:
    """Whether a file's name alone lets it be one of ours. Nothing could name one whose bytes are no UTF-8."""
    return path.endswith((".yaml", ".yml")) and not any("\udc80" <= character <= "\udcff" for character in path)


def read_held(path: str, content: bytes) -> Held | None:
    """Which row a file is of; None when it is not Rowcast's. Never raises: anybody may have written it."""
    read = _read(path, content)
    return None if read is None else read[0]


def read_entry(path: str, content: bytes, target: str) -> Held | OfAnother | None:
    """The same, as the target of that name has it: what another one has made is not its own."""
    read = _read(path, content)
    if read is None:
        return None
    held, carried = read
    other = carried.of_another(target)
    return OfAnother(other) if other else held


def _read(path: str, content: bytes) -> tuple[Held, Marks] | None:
    plainly = read_plain(content)
    if plainly is not None:
        return _held(path, [Document(plainly, repeats=False)], content)
    if MANAGED_BY.encode() not in content:
        return None
    try:
        # A file of ours that somebody has formatted anew is still ours, and the same.
        return _held(path, parse(content), content)
    except UnreadableError:
        return None


def read_unreadable(content: bytes) -> Unreadable | None:
    """Why a file can't be ours though it names Rowcast; None when that can be read. Never raises."""
    if MANAGED_BY.encode() not in content:
        return None
    try:
        documents = parse(content)
    except UnreadableError as error:
        return Unreadable(str(error))
    several = sum(document.content is not None for document in documents) > 1
    return Unreadable("it has documents that are not all of one row") if several else None


def _held(path: str, documents: Sequence[Document], content: bytes) -> tuple[Held, Marks] | None:
    """Of several documents all have to be one row's, and one target's; a document without content is none."""
    bodies = [_mapping(document.content) for document in documents if document.content is not None]
    carried = [_marks(body) for body in bodies]
    first = carried[0] if carried else None
    if first is None or any(one is None or (one.row, one.target) != (first.row, first.target) for one in carried):
        return None
    if first.row.renderer != APP_CONFIGS:
        digest = digest_of_documents(bodies)
    elif len(bodies) == 1:
        digest = digest_of(bodies[0])
    else:
        return None
    if any(document.repeats for document in documents):
        # What an engine would refuse is not as we have written it, wherever that stands.
        digest = f"repeats:{digest_of_bytes(content)}"
    return Held(path, first.row, first.generation, first.lsn, digest), first


def _marks(body: Mapping[str, object]) -> Marks | None:
    metadata = _mapping(body.get("metadata"))
    return marks(metadata.get("labels"), metadata.get("annotations"))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
