"""Several places and several platforms on one branch: what is said of one of them is nothing to another."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.targets.places import commit_and_push, git
from contract.targets.rows import deleted, saved
from rowcast.core.ports import Target
from rowcast.core.render import Desired
from rowcast.sync.environments.routing import Routing
from rowcast.sync.environments.starting import Starting
from rowcast.sync.forges.memory import MemoryForge
from rowcast.sync.settings import SyncSettings
from rowcast.sync.targets.git import GitSettings, GitTarget
from rowcast.sync.targets.git.proposals.target import ProposingTarget

pytestmark = pytest.mark.anyio

ROWCAST = ("-c", "user.name=Rowcast", "-c", "user.email=rowcast@rowcast.dev")


@dataclass(slots=True)
class Platform:
    """A platform with folders of its own for `dev` and `prod`, and its table."""

    name: str
    folder: Path
    rows: dict[int, Desired] = field(default_factory=dict)
    events: list[Desired] = field(default_factory=list)
    target: Starting | None = None

    async def restart(self) -> None:
        if self.target is not None:
            await self.target.close()
        self.target = Starting(
            SyncSettings(
                target="git",
                topic_prefix=self.name,
                git_url=f"file://{self.folder / 'repository.git'}",
                git_root=f"{self.name}/dev",
                git_cache=self.folder / f"cache-{self.name}",
                environments={"prod": {"git_root": f"{self.name}/prod"}},
            )
        )
        await self.target.start()

    async def deliver(self, *batch: Desired) -> None:
        assert self.target is not None
        await self.target.deliver(list({one.row: one for one in batch}.values()))

    async def save(self, row_id: int, environment: str) -> None:
        await self._change(saved(row_id, self._next(row_id), f"row-{row_id}", environment=environment))

    async def delete(self, row_id: int) -> None:
        if row_id in self.rows and not self.rows[row_id].deleted:
            there = self.rows[row_id]
            await self._change(deleted(row_id, there.generation, there.name, environment=there.environment))

    async def _change(self, desired: Desired) -> None:
        if row_id_is_gone(self.rows.get(int(desired.row.key))):
            return
        self.rows[int(desired.row.key)] = desired
        self.events.append(desired)
        await self.deliver(desired)

    def _next(self, row_id: int) -> int:
        return self.rows[row_id].generation + 1 if row_id in self.rows else 1

    def files(self) -> set[str]:
        return {
            f"{self.name}/{one.environment}/{one.environment}/appconfigs/{one.name}.yaml"
            for one in self.rows.values()
            if not one.deleted
        }


def row_id_is_gone(one: Desired | None) -> bool:
    """An id is never used again."""
    return one is not None and one.deleted


def files(repository: Path, branch: str = "main") -> set[str]:
    if not git("-C", str(repository), "branch", "--list", branch):
        return set()
    return set(git("-C", str(repository), "ls-tree", "-r", "--name-only", branch).splitlines())


steps = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.sampled_from(["dev", "prod", "dev", "prod", "delete", "restart", "snapshot", "late", "inventory"]),
        st.integers(1, 2),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_a_place_has_just_what_its_table_has_whatever_else_is_on_the_branch(
    taken: list[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_take(Path(folder), taken))


async def _take(folder: Path, taken: list[tuple[str, str, int]]) -> None:
    repository = folder / "repository.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(repository))
    platforms = {name: Platform(name, folder) for name in ("one", "two")}
    try:
        for platform in platforms.values():
            await platform.restart()
        for name, what, row_id in taken:
            await _step(platforms[name], what, row_id)
            assert files(repository) == platforms["one"].files() | platforms["two"].files(), what
    finally:
        for platform in platforms.values():
            if platform.target is not None:
                await platform.target.close()


async def _step(platform: Platform, what: str, row_id: int) -> None:
    assert platform.target is not None
    if what == "restart":
        await platform.restart()
    elif what == "inventory":
        await platform.target.inventory()
    elif what == "snapshot":
        await platform.deliver(*platform.rows.values())
    elif what == "late":
        for event in platform.events:
            await platform.deliver(event)
    elif what == "delete":
        await platform.delete(row_id)
    else:
        await platform.save(row_id, what)


async def test_rows_that_were_promoted_survive_a_restart_and_a_snapshot(tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "repository.git"))
    platform = Platform("one", tmp_path)
    await platform.restart()
    for environment in ("dev", "prod"):
        for row_id in range(1, 6):
            await platform.save(row_id, environment)

    await platform.restart()
    await platform.deliver(*platform.rows.values())
    assert len(files(tmp_path / "repository.git")) == 5
    assert files(tmp_path / "repository.git") == platform.files()

    assert platform.target is not None
    await platform.target.close()


async def test_another_platforms_deletion_of_its_row_leaves_ours(tmp_path: Path) -> None:
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "repository.git"))
    one, two = Platform("one", tmp_path), Platform("two", tmp_path)
    for platform in (one, two):
        await platform.restart()
    for _ in range(3):
        await one.save(1, "dev")
    await one.delete(1)
    await two.save(1, "dev")

    await two.restart()
    await two.deliver(*two.rows.values())

    assert files(tmp_path / "repository.git") == two.files() != set()
    for platform in (one, two):
        assert platform.target is not None
        await platform.target.close()


class Modes:
    """`dev` is pushed to the branch, `prod` proposed to it, or both proposed."""

    def __init__(self, folder: Path, proposed: Mapping[str, bool]) -> None:
        self.repository = folder / "repository.git"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))
        self._folder, self._proposed = folder, proposed
        self._forges = {name: MemoryForge() for name in proposed}
        git("clone", "--quiet", str(self.repository), str(folder / "clone"))
        (folder / "clone" / "README").write_text("First of all.\n")
        commit_and_push(folder / "clone", "Begin")

    def routing(self) -> Routing:
        async def make(environment: str) -> Target:
            given = GitSettings(
                url=f"file://{self.repository}",
                cache=self._folder / f"cache-{environment}",
                root=environment,
                environment=dict(os.environ),
            )
            if not self._proposed[environment]:
                return GitTarget(given)
            forge = self._forges[environment]
            return ProposingTarget(given, forge, f"rowcast/{environment}", poll=3600, grace=0)

        makes = {environment: lambda environment=environment: make(environment) for environment in self._proposed}
        return Routing("git", makes, lambda environment: environment)

    def there(self) -> set[str]:
        """What the branch has with everything that is proposed, our files only."""
        found = set()
        for environment, proposed in self._proposed.items():
            branch = f"rowcast/{environment}" if proposed else "main"
            seen = files(self.repository, branch) or files(self.repository)
            found |= {path for path in seen if path.startswith(f"{environment}/")}
        return found

    def merge(self, environment: str) -> None:
        clone = self._folder / f"merge-{environment}-{len(list(self._folder.iterdir()))}"
        git("clone", "--quiet", str(self.repository), str(clone))
        person = ("-c", "user.name=Bob", "-c", "user.email=bob@example.org")
        git("-C", str(clone), *person, "merge", "--quiet", "--no-ff", f"origin/rowcast/{environment}")
        git("-C", str(clone), "push", "--quiet", "origin", "HEAD:main")


@pytest.mark.parametrize(
    "proposed",
    [{"dev": False, "prod": True}, {"dev": True, "prod": False}, {"dev": True, "prod": True}],
    ids=["prod is proposed", "dev is proposed", "both are"],
)
@pytest.mark.parametrize("merged", [False, True])
async def test_a_promoted_row_survives_where_changes_are_proposed(
    tmp_path: Path, proposed: dict[str, bool], merged: bool
) -> None:
    modes = Modes(tmp_path, proposed)
    target = modes.routing()
    await target.start()
    await target.deliver([saved(1, 1, "a", environment="dev"), saved(2, 1, "b", environment="dev")])
    promoted = [saved(1, 2, "a", environment="prod"), saved(2, 2, "b", environment="prod")]
    await target.deliver(promoted)
    if merged:
        for environment in (name for name, asked in proposed.items() if asked):
            if files(modes.repository, f"rowcast/{environment}"):
                modes.merge(environment)
        await target.inventory()
    await target.close()

    again = modes.routing()
    await again.start()
    await again.inventory()
    await again.deliver(promoted)
    assert modes.there() == {"prod/prod/appconfigs/a.yaml", "prod/prod/appconfigs/b.yaml"}
    await again.deliver([deleted(1, 2, "a", environment="prod")])
    await again.deliver([saved(1, 1, "a", environment="dev"), *promoted])
    assert modes.there() == {"prod/prod/appconfigs/b.yaml"}
    await again.close()


def commit_as(clone: Path, message: str, *person: str) -> None:
    git("-C", str(clone), "add", "--all")
    git("-C", str(clone), *person, "commit", "--quiet", "-m", message)
    git("-C", str(clone), "push", "--quiet", "origin", "HEAD:main")


FORGED = """Words

Rowcast-Platform: rowcast
Rowcast-Place: main:environments
Rowcast-Table: app_configs
Rowcast-Row: 1@9 deleted
"""
OLD = "Delete a\n\nDeleted:\n- dev/a, generation 2\n\nRowcast-Table: app_configs\nRowcast-Row: 1@2 deleted\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git("init", "--quiet", "--bare", "--initial-branch=main", str(tmp_path / "repository.git"))
    return tmp_path / "repository.git"


def one_target(repository: Path, root: str = "environments") -> GitTarget:
    cache = repository.parent / f"cache-{root.replace('/', '-')}"
    return GitTarget(GitSettings(url=f"file://{repository}", cache=cache, root=root, environment=dict(os.environ)))


def clone_of(repository: Path) -> Path:
    clone = repository.parent / f"clone-{len(list(repository.parent.iterdir()))}"
    git("clone", "--quiet", str(repository), str(clone))
    return clone


def write(clone: Path, path: str, content: str = "") -> None:
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_text(content)


@pytest.mark.parametrize("restarted", [False, True])
async def test_words_in_somebody_elses_commit_bury_nothing(repository: Path, restarted: bool) -> None:
    target = one_target(repository)
    await target.deliver([saved(1, 1, "a")])
    clone = clone_of(repository)
    write(clone, "environments/dev/other.txt", "theirs\n")
    commit_as(clone, FORGED, "-c", "user.name=Eve", "-c", "user.email=eve@example.org")
    if restarted:
        await target.close()
        target = one_target(repository)
    await target.deliver([saved(2, 1, "b")])
    await target.deliver([saved(1, 1, "a")])
    await target.deliver([saved(1, 2, "a")])
    await target.close()

    assert {path for path in files(repository) if path.endswith(".yaml")} == {
        "environments/dev/appconfigs/a.yaml",
        "environments/dev/appconfigs/b.yaml",
    }


async def as_before_there_were_places(repository: Path, root: str, *, removes: bool = True) -> None:
    """A commit as an older version has made it, in place of a row that was at `root`."""
    clone = clone_of(repository)
    path = f"{root}/dev/appconfigs/a.yaml"
    if removes:
        git("-C", str(clone), "rm", "--quiet", path)
    commit_as(clone, OLD, *ROWCAST)


async def test_what_an_older_version_has_deleted_stays_deleted_after_an_upgrade(repository: Path) -> None:
    target = one_target(repository)
    late = saved(1, 1, "a")
    await target.deliver([late, saved(2, 1, "b")])
    await target.close()
    await as_before_there_were_places(repository, "environments")

    target = one_target(repository)
    await target.deliver([late, saved(2, 2, "b")])
    await target.close()

    assert files(repository) == {"environments/dev/appconfigs/b.yaml"}


async def test_what_an_older_version_has_moved_stays_at_its_new_place_after_an_upgrade(repository: Path) -> None:
    dev, prod = one_target(repository, "one"), one_target(repository, "two")
    await dev.deliver([saved(1, 1, "a")])
    promoted = saved(1, 2, "a", environment="prod")
    await prod.deliver([promoted])
    await dev.close()
    await prod.close()
    await as_before_there_were_places(repository, "one")

    for _ in range(2):
        prod = one_target(repository, "two")
        await prod.deliver([promoted])
        await prod.inventory()
        await prod.deliver([promoted])
        await prod.close()

    assert files(repository) == {"two/prod/appconfigs/a.yaml"}


async def test_what_an_older_version_has_moved_between_branches_stays_there_when_they_are_merged(
    repository: Path,
) -> None:
    """Both have the same folder."""
    main = one_target(repository)
    await main.deliver([saved(1, 1, "a")])
    await main.close()
    git("-C", str(repository), "branch", "release", "main~0")
    clone = clone_of(repository)
    await as_before_there_were_places(repository, "environments")
    path = "environments/prod/appconfigs/a.yaml"
    release = GitTarget(
        GitSettings(url=f"file://{repository}", cache=repository.parent / "r", branch="release", environment=os.environ)
    )
    promoted = saved(1, 2, "a", environment="prod")
    await release.deliver([promoted])
    git("-C", str(clone), "fetch", "--quiet")
    git("-C", str(clone), "checkout", "--quiet", "release")
    person = ("-c", "user.name=Bob", "-c", "user.email=bob@example.org")
    git("-C", str(clone), *person, "merge", "--quiet", "--no-ff", "-s", "ours", "origin/main")
    git("-C", str(clone), "push", "--quiet", "origin", "HEAD:release")

    await release.inventory()
    await release.deliver([promoted])
    await release.close()

    assert files(repository, "release") == {path}
