from __future__ import annotations

from pathlib import Path

import pytest

from rowcast.sync.targets.git import GitSettings
from rowcast.sync.targets.git.repository.process import Git, GitError, environment_for


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_git_sees_only_what_it_needs() -> None:
    given = {"HOME": "/h", "PATH": "/p", "GIT_DIR": "/elsewhere", "ROWCAST_SECRET": "x", "https_proxy": "http://proxy"}
    environment = environment_for(given, "/cache/gitconfig")
    assert {"HOME", "PATH", "https_proxy"} <= environment.keys()
    assert not {"GIT_DIR", "ROWCAST_SECRET"} & environment.keys()
    assert environment["GIT_CONFIG_GLOBAL"] == "/cache/gitconfig"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"


def test_a_configuration_with_credentials_takes_the_place_of_ours() -> None:
    assert environment_for({"GIT_CONFIG_GLOBAL": "/c"}, "/cache/gitconfig")["GIT_CONFIG_GLOBAL"] == "/c"


@pytest.mark.anyio
async def test_a_failure_shows_no_credentials() -> None:
    git = Git(environment_for({}, "/dev/null"))
    with pytest.raises(GitError) as failed:
        await git.run("ls-remote", "--", "http://me:secret@127.0.0.1:1/x.git", timeout=30)
    assert "secret" not in str(failed.value)
    assert "127.0.0.1" in str(failed.value)


@pytest.mark.anyio
async def test_a_program_other_than_git_cannot_be_named_as_a_remote() -> None:
    git = Git(environment_for({}, "/dev/null"))
    with pytest.raises(GitError, match="not allowed"):
        await git.run("ls-remote", "--", "ext::sh -c true", timeout=30)


@pytest.mark.anyio
async def test_a_missing_git_is_a_failure_like_any_other() -> None:
    with pytest.raises(GitError, match="cannot be started"):
        await Git({"PATH": "/nowhere"}).run("version", timeout=30)


@pytest.mark.parametrize("branch", ["", "-x", "a..b", "a b", "a.lock", "/a", "a/", ".a", "a@{b"])
def test_a_branch_that_git_would_refuse_is_refused_at_once(branch: str) -> None:
    with pytest.raises(ValueError, match="branch"):
        GitSettings(url="file:///x", cache=Path("/c"), branch=branch)


@pytest.mark.parametrize("root", ["../x", "/x", "a//b", ".git", "a/.git/b", "a/"])
def test_a_root_outside_the_repository_is_refused_at_once(root: str) -> None:
    with pytest.raises(ValueError, match="folder"):
        GitSettings(url="file:///x", cache=Path("/c"), root=root)
