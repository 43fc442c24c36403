"""Makes the Git target that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rowcast.core.ports import Target
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.git.settings import GitSettings
from rowcast.sync.targets.git.target import GitTarget


def make_target(settings: SyncSettings, environment: Mapping[str, str], on_push: Callable[[str], None]) -> Target:
    """One that pushes to the branch, or one that proposes to it. `environment` is what git may see of.

    `on_push` is told of each commit that the branch has got.
    """
    if settings.git_url is None or settings.git_cache is None:
        raise AssertionError("the settings require both for the target git")
    git = GitSettings(
        url=settings.git_url,
        target=settings.target,
        platform=settings.topic_prefix,
        branch=settings.git_branch,
        root=settings.git_root,
        path=settings.git_path,
        kustomization=settings.git_kustomization,
        signing_key=settings.git_signing_key,
        signing_format=settings.git_signing_format,
        username=settings.git_username,
        username_file=settings.git_username_file,
        password_file=settings.git_password_file,
        ssh_key=settings.git_ssh_key,
        known_hosts=settings.git_known_hosts,
        cache=settings.git_cache,
        environment=environment,
    )
    if settings.git_mode == "push":
        return GitTarget(git, on_push=on_push)
    from rowcast.sync.forges import make_forge
    from rowcast.sync.targets.git.proposals.target import ProposingTarget

    if settings.git_forge is None or settings.git_forge_url is None or settings.git_forge_token_file is None:
        raise AssertionError("the settings require them for pull requests")
    forge = make_forge(settings.git_forge, settings.git_forge_url, git.url, settings.git_forge_token_file)
    poll = settings.git_poll_seconds
    return ProposingTarget(git, forge, settings.git_proposal_branch, poll, on_push=on_push)
