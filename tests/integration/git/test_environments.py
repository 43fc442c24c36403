"""Environments with places of their own, as the settings name them, on real repositories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.targets.places import git
from contract.targets.rows import deleted, saved
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.core.render import Desired
from rowcast.sync.environments.starting import Starting
from rowcast.sync.settings import SyncSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
def repositories(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"{name}.git" for name in ("shared", "production")}
    for path in found.values():
        git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
    return found


@pytest.fixture
async def target(repositories: dict[str, Path], tmp_path: Path) -> AsyncIterator[Starting]:
    settings = SyncSettings(
        target="git",
        git_url=f"file://{repositories['shared']}",
        git_cache=tmp_path / "cache",
        environments={
            "staging": {"git_branch": "staging"},
            "prod": {"git_url": f"file://{repositories['production']}", "git_root": "clusters/one"},
            "sandbox": None,
        },
    )
    target = Starting(settings)
    await target.start()
    yield target
    await target.close()


def files(repository: Path, branch: str = "main") -> list[str]:
    if not git("-C", str(repository), "branch", "--list", branch):
        return []
    return git("-C", str(repository), "ls-tree", "-r", "--name-only", branch).splitlines()


async def outcomes(target: Starting, *batch: Desired) -> list[Outcome]:
    results = await target.deliver(batch)
    delivered = [results[one.row] for one in batch]
    assert all(isinstance(result, Delivered) for result in delivered), delivered
    return [result.outcome for result in delivered if isinstance(result, Delivered)]


async def test_each_environment_has_its_repository_branch_and_folder(
    target: Starting, repositories: dict[str, Path]
) -> None:
    rows = [saved(n, 1, name, environment=name) for n, name in enumerate(("dev", "staging", "prod", "sandbox"), 1)]

    assert await outcomes(target, *rows) == [*[Outcome.CREATED] * 3, Outcome.ELSEWHERE]

    assert files(repositories["shared"]) == ["environments/dev/appconfigs/dev.yaml"]
    assert files(repositories["shared"], "staging") == ["environments/staging/appconfigs/staging.yaml"]
    assert files(repositories["production"]) == ["clusters/one/prod/appconfigs/prod.yaml"]


async def test_a_row_moves_from_one_repository_to_another_and_is_deleted_there(
    target: Starting, repositories: dict[str, Path]
) -> None:
    late = saved(1, 1, "a", environment="dev")
    await target.deliver([late])

    assert await outcomes(target, saved(1, 2, "a", environment="prod")) == [Outcome.CONFIGURED]
    assert (files(repositories["shared"]), len(files(repositories["production"]))) == ([], 1)
    assert await outcomes(target, late) == [Outcome.STALE]
    assert await outcomes(target, deleted(1, 3, "a", environment="prod")) == [Outcome.DELETED]

    assert (files(repositories["shared"]), files(repositories["production"])) == ([], [])


async def test_what_an_instance_before_this_one_left_halfway_is_seen_by_a_comparison(
    target: Starting, repositories: dict[str, Path], tmp_path: Path
) -> None:
    """It died between the two commits of a move: the row is at both places."""
    await target.deliver([saved(1, 1, "a", environment="dev")])
    alone = SyncSettings(target="git", git_url=f"file://{repositories['production']}", git_cache=tmp_path / "other")
    other = Starting(alone.model_copy(update={"git_root": "clusters/one"}))
    await other.start()
    row = saved(1, 2, "a", environment="prod")
    await other.deliver([row])
    await other.close()

    held = {one.key: one.generation for one in await target.inventory()}

    assert held == {
        "*:environments/dev/appconfigs/a.yaml": 1,
        "prod:clusters/one/prod/appconfigs/a.yaml": 2,
    }
    assert [one.key for one in target.expect(row)] == ["prod:clusters/one/prod/appconfigs/a.yaml"]
    assert await outcomes(target, row) == [Outcome.CONFIGURED]
    assert files(repositories["shared"]) == []
