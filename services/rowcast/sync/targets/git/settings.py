"""What a Git target is built from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_UNSAFE_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|^[-/]|[/.]$|^$")
"""What `git check-ref-format` refuses in a branch's name (git-check-ref-format(1))."""


@dataclass(frozen=True, slots=True)
class GitSettings:
    """One branch of one repository, and how to write to it.

    `url` is anything that git can push to; a local path must be absolute. `root` is the folder in the repository that
    the files go below; empty for the repository itself. `cache` is a folder of this instance alone. `environment` is
    what git's processes may see of the process's own variables. Times are in seconds.
    """

    url: str
    cache: Path
    branch: str = "main"
    root: str = "environments"
    committer_name: str = "Rowcast"
    committer_email: str = "rowcast@rowcast.dev"
    author_domain: str = "users.rowcast.invalid"
    environment: Mapping[str, str] = field(default_factory=dict)
    local_timeout: float = 120.0
    remote_timeout: float = 60.0
    attempts: int = 10
    """How many lost races one delivery bears before it is the caller's turn to wait."""
    maintenance_every: int = 250
    """Commits between two runs of the cache's upkeep."""
    history: int = 1_000
    """How many commits are read for deletions when starting."""

    def __post_init__(self) -> None:
        if _UNSAFE_REF.search(self.branch):
            raise ValueError(f"not a branch name: {self.branch!r}")
        if any(part in {"", ".", "..", ".git"} for part in self.root.split("/") if self.root):
            raise ValueError(f"not a folder inside a repository: {self.root!r}")

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{self.branch}"
