"""Rowcast's side of a repository under review: targets, what they tell, and the clone of somebody else."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from contract.targets.places import git
from gitea_server import GiteaRepository
from rowcast.core.ports import News
from rowcast.sync.forges import make_forge
from rowcast.sync.targets.git import GitSettings
from rowcast.sync.targets.git.proposals.target import ProposingTarget
from world import SETTLE_SECONDS

HEAD = "rowcast/main"


def path_of(name: str, environment: str = "dev") -> str:
    """Where a row's file is."""
    return f"environments/{environment}/appconfigs/{name}.yaml"


class Review:
    """`news` is what any of its targets has told; `token_file` is read by all of them."""

    def __init__(self, repository: GiteaRepository, folder: Path) -> None:
        self.repository = repository
        self.news: list[News] = []
        self.token_file = folder / "token"
        self._folder = folder
        self._caches = 0
        self.give_token()

    def give_token(self) -> None:
        """Put a new token where Rowcast reads it."""
        self.token_file.write_text(self.repository.server.token("rowcast") + "\n")

    @asynccontextmanager
    async def target(self, poll: float = 3600, grace: float = 3600) -> AsyncIterator[ProposingTarget]:
        """A started instance with an empty cache of its own, which looks by itself every `poll` seconds.

        `grace` is how long, in seconds, it leaves an emptied proposal's branch alone.
        """
        self._caches += 1
        url = self.repository.clone_url("rowcast")
        cache = self._folder / f"cache-{self._caches}"
        settings = GitSettings(url=url, cache=cache, environment=dict(os.environ))
        forge = make_forge("gitea", f"{self.repository.server.url}/api/v1", url, self.token_file)
        target = ProposingTarget(settings, forge, poll=poll, grace=grace)
        target.tell(self.news.extend)
        await target.start()
        try:
            yield target
        finally:
            await target.close()

    async def until_seen(self, target: ProposingTarget, condition: Callable[[], bool]) -> None:
        """Have a target look, as it does now and then, until the condition holds."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"not within {SETTLE_SECONDS} s"
            await target.look()

    def clone(self, branch: str) -> Path:
        """Bob's clone of a branch."""
        self._caches += 1
        folder = self._folder / f"clone-{self._caches}"
        git("clone", "--quiet", "--branch", branch, self.repository.clone_url("bob"), str(folder))
        git("-C", str(folder), "config", "user.name", "Bob")
        git("-C", str(folder), "config", "user.email", "bob@example.org")
        return folder

    def push(self, branch: str, path: str, content: str, *, message: str = "Bob was here") -> str:
        """Bob writes a file and pushes to a branch; returns the commit."""
        clone = self.clone(branch)
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(content)
        git("-C", str(clone), "add", "--all")
        git("-C", str(clone), "commit", "--quiet", "-m", message)
        git("-C", str(clone), "push", "--quiet", "origin", f"HEAD:{branch}")
        return git("-C", str(clone), "rev-parse", "HEAD").strip()

    def log(self, branch: str, form: str = "%s") -> list[str]:
        """A branch's commits, newest first."""
        return git("-C", str(self.clone(branch)), "log", f"--format={form}").splitlines()


def stages(news: Sequence[News]) -> list[tuple[int, int, str, str | None]]:
    """(row, generation, outcome, stage) of each."""
    return [(int(one.row.key), one.generation, str(one.result.outcome), one.result.stage) for one in news]


async def until(condition: Callable[[], bool], explain: Callable[[], object] = str) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SETTLE_SECONDS} s: {explain()}"
        await asyncio.sleep(0.05)  # between two looks; the condition decides
