"""The bare Git repository that sync-git commits to."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GitRepository:
    """A repository in `folder` with a first, empty commit on `branch`."""

    folder: Path
    branch: str = "main"

    @property
    def url(self) -> str:
        """What `git clone` takes."""
        return self.folder.as_uri()

    def prepare(self) -> None:
        """Makes it, once. Raises CalledProcessError if Git can't."""
        tip = self._git("rev-parse", "--verify", "--quiet", f"refs/heads/{self.branch}", check=False)
        if tip:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--bare")
        self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        self._git("config", "receive.denyNonFastForwards", "true")
        self._git("config", "gc.auto", "0")
        commit = self._git(
            "-c",
            "user.name=rowcast",
            "-c",
            "user.email=rowcast@localhost",
            "commit-tree",
            self._git("hash-object", "-t", "tree", "-w", "/dev/null"),
            "-m",
            "Begin",
        )
        self._git("update-ref", f"refs/heads/{self.branch}", commit)

    def show(self, path: str) -> str:
        """The content of `path` at the branch's tip; empty if it isn't there."""
        return self._git("show", f"{self.branch}:{path}", check=False)

    def find(self, ending: str) -> list[str]:
        """The paths at the branch's tip that end with `ending`."""
        paths = self._git("ls-tree", "-r", "--name-only", self.branch, check=False).splitlines()
        return [path for path in paths if path.endswith(ending)]

    def _git(self, *arguments: str, check: bool = True) -> str:
        command = ["git", f"--git-dir={self.folder}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=check)
        return done.stdout.strip() if done.returncode == 0 else ""
