"""The places that targets deliver to, each observed without the target's help.

To add one: a subclass of `Place`, and its name in `PLACES`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import yaml

from contract.targets.rows import saved
from rowcast.core.ports import Target
from rowcast.sync.environments.routing import Routing
from rowcast.sync.forges.memory import MemoryForge
from rowcast.sync.targets.git import GitSettings, GitTarget
from rowcast.sync.targets.git.proposals.target import ProposingTarget
from rowcast.sync.targets.memory import MemoryStore, MemoryTarget, Stored

PROPOSED = "rowcast/main"


class Seen(NamedTuple):
    """An object of ours, as the place holds it."""

    row_id: int
    generation: int
    spec: Mapping[str, Any]


def seen(manifest: Mapping[str, Any]) -> Seen | None:
    labels = manifest["metadata"].get("labels", {})
    if labels.get("app.kubernetes.io/managed-by") != "rowcast":
        return None
    generation = manifest["metadata"]["annotations"]["rowcast.dev/generation"]
    return Seen(int(labels["rowcast.dev/row-id"]), int(generation), manifest["spec"])


class Place(Protocol):
    """Where objects are, for as long as a test takes."""

    def target(self) -> Target:
        """A new instance that delivers here, not started."""
        ...

    def observe(self) -> dict[str, Seen]:
        """Our objects by name, read from the place itself."""
        ...

    def version(self) -> object:
        """Differs after every write to the place."""
        ...

    def plant(self, name: str) -> None:
        """Put an object that is not ours where the object of row `name` in environment `dev` would go."""
        ...

    def planted(self, name: str) -> bool:
        """Whether that object is still there, untouched."""
        ...


class Memory:
    def __init__(self, _folder: Path) -> None:
        self._store = MemoryStore()

    def target(self) -> Target:
        return MemoryTarget(self._store)

    def observe(self) -> dict[str, Seen]:
        found = {stored.manifest.name: seen(stored.manifest.body) for stored in self._store.objects.values()}
        return {name: one for name, one in found.items() if one is not None}

    def version(self) -> object:
        return self._store.version

    def plant(self, name: str) -> None:
        (manifest,) = saved(999, 1, name).manifests
        body = {"metadata": {"name": name}, "spec": {"theirs": True}}
        foreign = type(manifest)(manifest.type, name, body)
        self._store.objects[f"dev/appconfigs/{name}"] = Stored(None, foreign)

    def planted(self, name: str) -> bool:
        return bool(self._store.objects[f"dev/appconfigs/{name}"].manifest.body["spec"] == {"theirs": True})


class Git:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.repository = folder / "repository.git"
        self._clones = 0
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))

    def target(self) -> Target:
        return GitTarget(self.settings())

    def settings(self, **more: Any) -> GitSettings:
        given: dict[str, Any] = {"cache": self._folder / "cache", "environment": dict(os.environ), **more}
        return GitSettings(url=f"file://{self.repository}", **given)

    def clone(self) -> Path:
        self._clones += 1
        folder = self._folder / f"clone-{self._clones}"
        git("clone", "--quiet", str(self.repository), str(folder))
        return folder

    def observe(self) -> dict[str, Seen]:
        found = {}
        for path in self.clone().glob("environments/*/appconfigs/*.yaml"):
            one = seen(yaml.safe_load(path.read_text()))
            if one is not None:
                assert path.parts[-3] == one.spec["environment"]
                assert path.stem not in found
                found[path.stem] = one
        return found

    def version(self) -> object:
        return git("-C", str(self.repository), "for-each-ref", "refs/heads/main")

    def plant(self, name: str) -> None:
        clone = self.clone()
        path = clone / f"environments/dev/appconfigs/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("metadata: {name: theirs}\n")
        commit_and_push(clone, "Theirs")

    def planted(self, name: str) -> bool:
        path = f"main:environments/dev/appconfigs/{name}.yaml"
        return git("-C", str(self.repository), "show", path) == "metadata: {name: theirs}\n"


class Routed:
    """Two places behind one target: `prod` has its own."""

    def __init__(self, rest: Place, prod: Place) -> None:
        self._rest = rest
        self._prod = prod

    def target(self) -> Target:
        async def rest() -> Target:
            return self._rest.target()

        async def prod() -> Target:
            return self._prod.target()

        return Routing(
            "routed", {"*": rest, "prod": prod}, lambda environment: "prod" if environment == "prod" else "*"
        )

    def observe(self) -> dict[str, Seen]:
        rest, prod = self._rest.observe(), self._prod.observe()
        assert not rest.keys() & prod.keys()
        assert {one.spec["environment"] for one in prod.values()} <= {"prod"}
        assert "prod" not in {one.spec["environment"] for one in rest.values()}
        return rest | prod

    def version(self) -> object:
        return (self._rest.version(), self._prod.version())

    def plant(self, name: str) -> None:
        self._rest.plant(name)

    def planted(self, name: str) -> bool:
        return self._rest.planted(name)


def routed_git(folder: Path) -> Place:
    return Routed(Git(folder / "rest"), Git(folder / "prod"))


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def commit_and_push(clone: Path, subject: str, *push: str) -> str:
    person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
    git("-C", str(clone), "add", "--all")
    git("-C", str(clone), *person, "commit", "--quiet", "--allow-empty", "-m", subject)
    git("-C", str(clone), "push", "--quiet", *push, "origin", "HEAD:main")
    return git("-C", str(clone), "rev-parse", "HEAD").strip()


class PullRequests(Git):
    """A repository of which nothing is ever merged: what is proposed is what the place holds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._forge = MemoryForge()
        (clone := self.clone()).joinpath("README").write_text("First of all.\n")
        commit_and_push(clone, "Begin")

    def target(self) -> Target:
        return ProposingTarget(self.settings(), self._forge, poll=3600)

    def clone(self) -> Path:
        folder = super().clone()
        if git("-C", str(folder), "branch", "--remotes", "--list", f"origin/{PROPOSED}"):
            git("-C", str(folder), "checkout", "--quiet", PROPOSED)
        return folder

    def version(self) -> object:
        return git("-C", str(self.repository), "for-each-ref", "refs/heads")

    def planted(self, name: str) -> bool:
        path = self.clone() / f"environments/dev/appconfigs/{name}.yaml"
        return path.read_text() == "metadata: {name: theirs}\n"


PLACES: Mapping[str, Callable[[Path], Place]] = {
    "memory": Memory,
    "git": Git,
    "pull requests": PullRequests,
    "routes": routed_git,
}
