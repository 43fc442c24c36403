"""What a delivery would make of a row's file, and the file as it is in a commit. Nothing is written."""

from __future__ import annotations

import re

from rowcast.core.errors import PermanentError
from rowcast.core.layout import Layout
from rowcast.core.preview import Preview, Shown, unplaced
from rowcast.core.render import LSN, Desired
from rowcast.sync.targets.git.commits.changes import refusal_of
from rowcast.sync.targets.git.files.bundles import as_file, content_of
from rowcast.sync.targets.git.files.tree_index import Index
from rowcast.sync.targets.git.tree import Repository

_LSN_LINE = re.compile(rf"^ +['\"]?{re.escape(LSN)}['\"]?:.*\n", re.MULTILINE)


def preview(layout: Layout, desired: Desired, index: Index, live: Shown | None) -> Preview:
    """The row's one file as it would be; `live` is the row's file as it is."""
    try:
        manifests = as_file(unplaced(desired)).manifests
    except PermanentError as error:
        return Preview("", "", live, error)
    if not manifests:
        return Preview("", "", live)
    (manifest,) = manifests
    text = content_of(manifest).decode()
    try:
        path = layout.place(desired, manifest)
    except PermanentError as error:
        return Preview("", text, live, error)
    return Preview(path, text, live, refusal_of(path, index.at(path)))


async def read_shown(repository: Repository, commit: str, path: str) -> Shown:
    """A file in a commit, without its place in the log. Raises GitError."""
    return shown(path, await repository.read("cat-file", "blob", f"{commit}:{path}"), commit)


def shown(path: str, content: bytes, commit: str) -> Shown:
    """A file's content as it is in a commit, without its place in the log."""
    return Shown(path, _LSN_LINE.sub("", content.decode(errors="replace")), commit)
