"""`kustomization.yaml` of the folders that hold our files: made and removed with them, and by nobody else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from rowcast.core.layout import KUSTOMIZATIONS
from rowcast.sync.targets.git.files.tree_index import Entry, Index, Listing, Place, is_foreign
from rowcast.sync.targets.git.files.yaml import scalar

MARK = b"# Made by Rowcast of its files in this folder. Without this line the file is yours, and left alone.\n"
LISTING_LIMIT = 16 * 2**20
"""Bytes. It is as long as its folder has files."""
_HEAD = b"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"


def kustomization(paths: Iterable[str]) -> bytes:
    """The file that lists these files, by their names in the folder."""
    names = sorted(path.rpartition("/")[2] for path in paths)
    return MARK + _HEAD + "".join(f"- {scalar(name)}\n" for name in names).encode()


def may_be_listing(path: str) -> bool:
    """Whether a file's name alone lets it be one that we write."""
    return path.rpartition("/")[2] == KUSTOMIZATIONS[0]


def read_listing(path: str, content: bytes) -> Listing | None:
    """What a file lists, as far as it matters; None when it is not a kustomization of ours."""
    return _listing(content) if may_be_listing(path) and content.startswith(MARK) else None


def update(
    folders: Iterable[str], index: Index, wanted: bool, put: Callable[[str, Entry, bytes | None], None]
) -> list[str]:
    """Bring the kustomizations of folders forward to what the index holds; returns the foreign ones, left alone.

    Where they are not `wanted`, ours go: one that lists no news would keep it from being applied.
    """
    foreign = []
    for folder in folders:
        path, *others = (f"{folder}/{name}".lstrip("/") for name in KUSTOMIZATIONS)
        there = index.at(path)
        files = index.inside(folder) if wanted else ()
        theirs = [other for other in (path, *others) if is_foreign(index.at(other))] if files else []
        if is_foreign(there) or theirs:
            foreign += theirs
        elif files:
            content = kustomization(files)
            if there != _listing(content):
                put(path, _listing(content), content)
        elif isinstance(there, Listing):
            put(path, Place.FREE, None)
    return foreign


def _listing(content: bytes) -> Listing:
    return Listing(hashlib.sha256(content).hexdigest())
