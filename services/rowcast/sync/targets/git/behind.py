"""Which rows a commit does not have as the branch's tip has them."""

from __future__ import annotations

from collections.abc import Collection

from rowcast.core.gitops import Behind
from rowcast.core.plan import Held
from rowcast.sync.targets.git import tree
from rowcast.sync.targets.git.files.tree_index import Index
from rowcast.sync.targets.git.repository.process import GitError
from rowcast.sync.targets.git.settings import GitSettings
from rowcast.sync.targets.git.tree import Repository


async def behind(
    repository: Repository, index: Index, tip: str, revision: str, names: Collection[str], settings: GitSettings
) -> Behind | None:
    """Compare a commit with the tip that `index` is of; None when the mirror does not have the commit.

    `names` are those of resources whose rows are asked for.
    """
    if revision != tip:
        try:
            nodes = await tree.changed(repository, tip, revision, settings.root)
            there = [entry async for entry in tree.entries(repository, nodes, settings.root, settings.target)]
        except GitError:
            return None
    else:
        there = []
    rows = {entry.row for _, entry in there if isinstance(entry, Held)}
    rows |= {entry.row for path, _ in there if isinstance(entry := index.at(path), Held)}
    return Behind(frozenset(rows), index.named(names))
