"""Files at paths of one's own, and folders that kustomize can build, on a real repository."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from contract.targets.places import Git, commit_and_push, git
from contract.targets.rows import deleted, saved
from rowcast.core.ports import Delivered
from rowcast.core.row import app_config
from rowcast.sync.targets.git import GitTarget
from rowcast_local.provision.tools import tool

pytestmark = pytest.mark.anyio

Log = Callable[[str], list[str]]


def built(folder: Path) -> list[str]:
    """The names of the resources that kustomize makes of a folder."""
    out = subprocess.run([str(tool("kustomize")), "build", str(folder)], check=True, capture_output=True, text=True)
    return sorted(document["metadata"]["name"] for document in yaml.safe_load_all(out.stdout))


def files(place: Git) -> set[str]:
    return set(git("-C", str(place.repository), "ls-tree", "-r", "--name-only", "main").split())


async def test_files_go_where_the_template_says_and_are_found_there_again(place: Git) -> None:
    settings = place.settings(root="", path="clusters/{environment}/{name}/{kind}.yaml")
    first = GitTarget(settings)
    await first.deliver([saved(1, 1, "a"), saved(2, 1, "b", environment="prod")])
    await first.close()
    assert files(place) == {"clusters/dev/a/AppConfig.yaml", "clusters/prod/b/AppConfig.yaml"}

    second = GitTarget(settings)
    await second.deliver([saved(1, 2, "c"), deleted(2, 2, "b")])
    assert list(second.known(app_config(1))) == list(second.expect(saved(1, 2, "c", lsn=second_lsn(second))))
    await second.close()
    assert files(place) == {"clusters/dev/c/AppConfig.yaml"}


def second_lsn(target: GitTarget) -> int:
    (held,) = target.known(app_config(1))
    return held.lsn


async def test_another_template_moves_a_file_with_its_rows_next_change(place: Git) -> None:
    first = GitTarget(place.settings())
    await first.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await first.close()

    second = GitTarget(place.settings(path="{environment}/{id}.yaml"))
    await second.deliver([saved(1, 2, "a")])
    await second.close()
    assert files(place) == {"environments/dev/1.yaml", "environments/dev/appconfigs/b.yaml"}


async def test_kustomize_builds_each_folder_as_it_changes(place: Git, log: Log) -> None:
    target = GitTarget(place.settings(kustomization=True))
    await target.deliver([saved(1, 1, "b"), saved(2, 1, "a"), saved(3, 1, "c", environment="prod")])
    folder = place.clone() / "environments"
    assert built(folder / "dev/appconfigs") == ["a", "b"]
    assert built(folder / "prod/appconfigs") == ["c"]

    await target.deliver([deleted(1, 2, "b"), saved(3, 2, "d", environment="dev")])
    assert built(place.clone() / "environments/dev/appconfigs") == ["a", "d"]
    assert not any(path.startswith("environments/prod") for path in files(place))
    assert len(log("%H")) == 2

    await target.deliver([deleted(2, 2, "a"), deleted(3, 3, "d")])
    await target.close()
    assert files(place) == set()


async def test_an_instance_started_anew_knows_its_kustomizations(place: Git) -> None:
    first = GitTarget(place.settings(kustomization=True))
    # Beyond what a file of ours may have, in bytes.
    await first.deliver([saved(row, 1, f"{'long-' * 11}{row}") for row in range(1, 1001)])
    await first.close()

    second = GitTarget(place.settings(kustomization=True))
    (result,) = (await second.deliver([saved(2000, 1, "z")])).values()
    await second.close()
    assert isinstance(result, Delivered)
    assert len(built(place.clone() / "environments/dev/appconfigs")) == 1001

    third = GitTarget(place.settings(kustomization=False))
    await third.deliver([saved(2000, 2, "z")])
    await third.close()
    assert "environments/dev/appconfigs/kustomization.yaml" not in files(place)


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
async def test_a_kustomization_of_somebody_else_is_left_alone(place: Git, name: str) -> None:
    clone = place.clone()
    path = clone / "environments/dev/appconfigs" / name
    path.parent.mkdir(parents=True)
    path.write_text("resources: [theirs.yaml]\n")
    commit_and_push(clone, "Theirs")

    target = GitTarget(place.settings(kustomization=True))
    await target.deliver([saved(1, 1, "a")])
    await target.deliver([deleted(1, 2, "a")])
    await target.close()
    assert files(place) == {f"environments/dev/appconfigs/{name}"}
    assert (place.clone() / "environments/dev/appconfigs" / name).read_text() == "resources: [theirs.yaml]\n"


async def test_a_kustomization_that_a_person_has_broken_is_put_right_with_the_next_change(place: Git) -> None:
    target = GitTarget(place.settings(kustomization=True))
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    clone = place.clone()
    path = clone / "environments/dev/appconfigs/kustomization.yaml"
    path.write_text(path.read_text().replace("- b.yaml\n", "- nothing.yaml\n"))
    commit_and_push(clone, "Break it")

    await target.deliver([saved(1, 2, "a")])
    await target.close()
    assert built(place.clone() / "environments/dev/appconfigs") == ["a", "b"]
