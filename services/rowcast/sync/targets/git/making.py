"""Makes the Git target that the settings name."""

from __future__ import annotations

from collections.abc import Mapping

from rowcast.core.ports import Target
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.git.settings import GitSettings
from rowcast.sync.targets.git.target import GitTarget


def make_target(settings: SyncSettings, environment: Mapping[str, str]) -> Target:
    """One that pushes to the branch, or one that proposes to it. `environment` is what git may see of."""
    if settings.git_url is None or settings.git_cache is None:
        raise AssertionError("the settings require both for the target git")
    git = GitSettings(
        url=settings.git_url,
        branch=settings.git_branch,
        root=settings.git_root,
        cache=settings.git_cache,
        environment=environment,
    )
    if settings.git_mode == "push":
        return GitTarget(git)
    from rowcast.sync.forges import make_forge
    from rowcast.sync.targets.git.proposals.target import ProposingTarget

    if settings.git_forge is None or settings.git_forge_url is None or settings.git_forge_token_file is None:
        raise AssertionError("the settings require them for pull requests")
    forge = make_forge(settings.git_forge, settings.git_forge_url, git.url, settings.git_forge_token_file)
    return ProposingTarget(git, forge, settings.git_proposal_branch, settings.git_poll_seconds)
