"""Which forges there are, and how a repository is named there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rowcast.sync.forges.gitea import Gitea
from rowcast.sync.forges.github import GitHub
from rowcast.sync.forges.gitlab import GitLab
from rowcast.sync.forges.port import Forge

FORGES: Mapping[str, Callable[[str, str, Path], Forge]] = {"gitea": Gitea, "github": GitHub, "gitlab": GitLab}


def make_forge(kind: str, api_url: str, git_url: str, token_file: Path) -> Forge:
    """The forge of a kind that `FORGES` has, for the repository that git pushes to at `git_url`."""
    return FORGES[kind](api_url.rstrip("/"), repository_in(git_url, groups=kind == "gitlab"), token_file)


def repository_in(git_url: str, *, groups: bool = False) -> str:
    """`owner/name` of a repository's URL, or scp-like address; with `groups`, all of its path.

    Raises ValueError when there is no such thing in it.
    """
    path = urlsplit(git_url).path if "://" in git_url else git_url.partition(":")[2]
    parts = [part for part in path.removesuffix("/").removesuffix(".git").split("/") if part]
    if len(parts) < 2 or git_url.startswith("file:"):
        raise ValueError("no owner and name of a repository in the path of ROWCAST_GIT_URL")
    return "/".join(parts if groups else parts[-2:])
