"""What a Git target is built from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rowcast.core.layout import DEFAULT_PATH, Layout
from rowcast.sync.targets.git.commits.trailers import Origin

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
    target: str = "git"
    """The name of the target: files that another one has made are not ours."""
    platform: str = "rowcast"
    """Whose rows these are: what the topics' names begin with. Commits of another platform say nothing of them."""
    branch: str = "main"
    root: str = "environments"
    path: str = DEFAULT_PATH
    """The template of files' paths below `root`: see `Layout`."""
    kustomization: bool = False
    """Whether each folder of ours has a `kustomization.yaml`."""
    signing_key: Path | None = None
    """A private key that signs commits, read anew for each: of SSH, or as `gpg --export-secret-keys` writes it."""
    signing_format: Literal["ssh", "openpgp"] = "ssh"
    username: str = "rowcast"
    username_file: Path | None = None
    """Has the name in the place of `username`."""
    password_file: Path | None = None
    """The password or token of an http(s) remote, read anew at each use."""
    ssh_key: Path | None = None
    """The private key for a remote by SSH."""
    known_hosts: Path | None = None
    """The server keys that are trusted; no other is."""
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
    """How many commits of this place are read for deletions when starting."""

    def __post_init__(self) -> None:
        if _UNSAFE_REF.search(self.branch):
            raise ValueError(f"not a branch name: {self.branch!r}")
        if not self.username.isprintable():
            raise ValueError(f"not a user's name: {self.username!r}")
        Layout(self.root, self.path)

    @property
    def layout(self) -> Layout:
        """Where rows' files go."""
        return Layout(self.root, self.path)

    @property
    def origin(self) -> Origin:
        """What our commits' trailers are said by, and of."""
        return Origin(self.platform, self.branch, self.root)

    @property
    def committer(self) -> str:
        """Who makes our commits, as Git writes it."""
        return f"{self.committer_name} <{self.committer_email}>"

    @property
    def ref(self) -> str:
        """The branch's full name."""
        return f"refs/heads/{self.branch}"
