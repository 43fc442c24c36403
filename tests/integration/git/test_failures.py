"""The remote refuses, hangs or is away; the cache is damaged; the process is killed."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from contract.targets.places import Git, commit_and_push, git
from contract.targets.rows import saved
from rowcast.core.errors import TransientError
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered
from rowcast.sync.targets.git import GitTarget, tree
from rowcast.sync.targets.git.files.reading import read_entry
from rowcast.sync.targets.git.files.tree_index import Entry, Index

pytestmark = pytest.mark.anyio

Log = Callable[[str], list[str]]


def hook(place: Git, name: str, script: str) -> Path:
    path = place.repository / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def gate(place: Git, tmp_path: Path) -> Path:
    """A FIFO at which every push stops until somebody has opened it for writing and closed it."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    hook(place, "pre-receive", f"cat >/dev/null; cat {gate} >/dev/null")
    return gate


async def entered(gate: Path) -> IO[str]:
    """Wait until a push is at the gate; closing what is returned lets it pass."""
    return await asyncio.to_thread(gate.open, "w")


def wait_until_unread(gate: IO[str]) -> None:
    """Wait until nobody is at the gate any more: a pipe without a reader polls as an error."""
    poll = select.poll()
    poll.register(gate, 0)
    assert poll.poll(20_000), "the hook outlived the push"


async def test_a_push_that_a_hook_refuses_is_tried_again_later_with_its_words(
    target: GitTarget, place: Git, log: Log
) -> None:
    await target.deliver([saved(1, 1, "a")])
    refusal = hook(place, "pre-receive", "echo the policy says no >&2; exit 1")
    with pytest.raises(TransientError, match="the policy says no"):
        await target.deliver([saved(1, 2, "a")])
    await target.check()
    refusal.unlink()

    (result,) = (await target.deliver([saved(1, 2, "a")])).values()
    assert result == Delivered(Outcome.CONFIGURED, log("%H")[0])


async def test_a_branch_that_may_not_be_created_is_not_there_afterwards(place: Git) -> None:
    hook(place, "update", "exit 1")
    target = GitTarget(place.settings())
    with pytest.raises(TransientError):
        await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert place.version() == ""


async def test_the_event_loop_runs_on_while_a_push_waits(target: GitTarget, place: Git, gate: Path) -> None:
    delivery = asyncio.create_task(target.deliver([saved(1, 1, "a")]))
    (await entered(gate)).close()
    await delivery
    assert set(place.observe()) == {"a"}


async def test_a_push_that_hangs_is_ended_with_all_its_processes(place: Git, gate: Path) -> None:
    target = GitTarget(place.settings(remote_timeout=1.0))
    delivery = asyncio.create_task(target.deliver([saved(1, 1, "a")]))
    with await entered(gate) as held:
        with pytest.raises(TransientError, match="took longer than 1 s"):
            await delivery
        await asyncio.to_thread(wait_until_unread, held)
    hook(place, "pre-receive", "exit 0")
    await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert set(place.observe()) == {"a"}


async def test_a_cancelled_delivery_leaves_the_target_usable(target: GitTarget, place: Git, gate: Path) -> None:
    delivery = asyncio.create_task(target.deliver([saved(1, 1, "a")]))
    with await entered(gate):
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
    hook(place, "pre-receive", "exit 0")

    await target.deliver([saved(1, 2, "b")])
    assert {name: one.generation for name, one in place.observe().items()} == {"b": 2}


async def test_a_push_that_arrived_although_it_failed_counts(target: GitTarget, place: Git, log: Log) -> None:
    """The answer got lost: the remote dies after the branch has moved."""
    await target.deliver([saved(1, 1, "a")])
    hook(place, "post-receive", "kill -9 $PPID")

    (result,) = (await target.deliver([saved(1, 2, "a")])).values()

    assert result == Delivered(Outcome.CONFIGURED, log("%H")[0])
    assert log("%s") == ["Update a", "Create a"]


async def test_an_instance_killed_in_the_middle_is_followed_by_one_that_carries_on(place: Git, gate: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from contract.targets.places import Git\n"
        "from contract.targets.rows import saved\n"
        "class Here(Git):\n"
        "    def __init__(self, folder): self._folder, self.repository = folder, folder / 'repository.git'\n"
        "target = Here(pathlib.Path(sys.argv[1])).target()\n"
        "asyncio.run(target.deliver([saved(1, 1, 'a'), saved(2, 1, 'b')]))\n"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(gate.parent), env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    with await entered(gate):
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    hook(place, "pre-receive", "exit 0")

    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a"), saved(2, 2, "b")])
    await target.close()
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 1, "b": 2}


async def test_a_remote_that_is_away_is_waited_for(place: Git, tmp_path: Path) -> None:
    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a")])
    place.repository.rename(tmp_path / "away")
    for attempt in (target.check, target.start, target.inventory):
        with pytest.raises(TransientError, match="repository"):
            await attempt()
    with pytest.raises(TransientError):
        await target.deliver([saved(1, 2, "a")])

    (tmp_path / "away").rename(place.repository)
    await target.check()
    await target.deliver([saved(1, 2, "a")])
    await target.close()
    assert place.observe()["a"].generation == 2


def empty_files(mirror: Path) -> None:
    for path in [*mirror.glob("objects/pack/*"), *mirror.glob("objects/??/*")]:
        path.chmod(0o644)
        path.write_bytes(b"")


def remove_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


def leave_a_lock(mirror: Path) -> None:
    for path in list(mirror.glob("refs/rowcast/*")):
        path.with_suffix(".lock").touch()


def remove_everything(mirror: Path) -> None:
    shutil.rmtree(mirror)


def break_the_configuration(mirror: Path) -> None:
    (mirror / "config").write_text("[core\nnonsense")


DAMAGES = [empty_files, remove_objects, leave_a_lock, remove_everything, break_the_configuration]


async def test_a_cache_that_lacks_what_only_a_push_needs_is_cloned_again(target: GitTarget, place: Git) -> None:
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b", environment="prod")])
    packs = list((place.settings().cache / "mirror.git").glob("objects/pack/*"))
    await target.deliver([saved(1, 2, "a")])
    for path in packs:
        path.unlink()

    await target.deliver([saved(1, 3, "a")])
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 3, "b": 1}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_cache_damaged_while_in_use_is_cloned_again(
    target: GitTarget, place: Git, damage: Callable[[Path], None]
) -> None:
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    damage(place.settings().cache / "mirror.git")

    await target.deliver([saved(1, 2, "a")])
    await target.deliver([saved(1, 3, "a")])
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 3, "b": 1}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_cache_found_damaged_is_cloned_again(place: Git, damage: Callable[[Path], None]) -> None:
    first = GitTarget(place.settings())
    await first.deliver([saved(1, 1, "a"), saved(2, 1, "b")])
    await first.close()
    damage(place.settings().cache / "mirror.git")

    second = GitTarget(place.settings())
    await second.start()
    await second.deliver([saved(1, 2, "a")])
    await second.close()
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2, "b": 1}


async def test_the_cache_of_another_remote_is_not_used(place: Git, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Git(tmp_path / "other")
    first = GitTarget(other.settings(cache=place.settings().cache))
    await first.deliver([saved(9, 1, "other")])
    await first.close()

    second = GitTarget(place.settings())
    await second.deliver([saved(1, 1, "a")])
    await second.close()
    assert set(place.observe()) == {"a"}


async def test_what_else_is_in_the_cache_folder_is_not_touched(place: Git) -> None:
    cache = place.settings().cache
    cache.mkdir()
    (cache / "precious").write_text("mine")
    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a")])
    await target.close()
    assert (cache / "precious").read_text() == "mine"


async def test_two_instances_do_not_share_a_cache(target: GitTarget, place: Git) -> None:
    second = GitTarget(place.settings())
    with pytest.raises(TransientError, match="another instance"):
        await second.start()
    await target.close()
    await second.start()
    await second.close()


async def test_the_cache_stays_small_and_sound(place: Git) -> None:
    mirror = place.settings().cache / "mirror.git"
    target = GitTarget(place.settings(maintenance_every=5))
    generation = 0
    while generation < 20 or len(list(mirror.glob("objects/pack/*.pack"))) > 10:
        generation += 1
        await target.deliver([saved(1, generation, "a")])
    await target.close()
    git("-C", str(mirror), "fsck", "--no-dangling")


async def left_behind(place: Git) -> list[Path]:
    """Deliver three rows and end properly; the files in a clone."""
    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b"), saved(3, 1, "c")])
    await target.close()
    clone = place.clone()
    files = [clone / path for path in git("-C", str(clone), "ls-files").split()]
    return [file for file in files if file.suffix == ".yaml"]


async def test_a_restart_reads_only_what_has_changed_since(
    place: Git, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = {file.stem: file for file in await left_behind(place)}
    files["b"].unlink()
    files["c"].write_text(files["c"].read_text() + "# theirs\n")
    commit_and_push(files["c"].parent, "Theirs")
    read: list[str] = []

    def noted(path: str, content: bytes, target: str) -> Entry | None:
        read.append(Path(path).stem)
        return read_entry(path, content, target)

    monkeypatch.setattr(tree, "read_entry", noted)
    again = GitTarget(place.settings())
    await again.start()
    assert read == ["c"]
    afresh = GitTarget(place.settings(cache=tmp_path / "another"))
    await afresh.start()
    found = [{held.key: held for held in await one.inventory()} for one in (again, afresh)]
    await afresh.close()
    assert found[0] == found[1]
    assert sorted(int(held.row.key) for held in found[0].values()) == [1, 3]
    results = await again.deliver([saved(1, 1, "a"), saved(2, 2, "b")])
    assert [str(one.outcome) for one in results.values() if isinstance(one, Delivered)] == ["unchanged", "created"]
    await again.close()


@pytest.mark.parametrize("doing", ["put", "own", "at"])
async def test_an_index_that_fails_is_read_anew_and_nothing_is_lost(
    place: Git, monkeypatch: pytest.MonkeyPatch, doing: str
) -> None:
    target = GitTarget(place.settings())
    await target.deliver([saved(1, 1, "a"), saved(2, 1, "b")])

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(Index, doing, full)
        with pytest.raises(TransientError, match=r"cache folder: .*disk is full"):
            await target.deliver([saved(1, 2, "a"), saved(3, 1, "c")])
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 1, "b": 1}
    await target.deliver([saved(1, 2, "a"), saved(3, 1, "c")])
    assert {name: one.generation for name, one in place.observe().items()} == {"a": 2, "b": 1, "c": 1}
    assert sorted(int(held.row.key) for held in await target.inventory()) == [1, 2, 3]
    await target.close()


async def test_an_index_that_is_damaged_is_read_anew(place: Git) -> None:
    await left_behind(place)
    index = place.settings().cache / "index.db"
    found = index.stat()
    index.write_bytes(b"no database" + bytes(found.st_size - 11))
    os.utime(index, ns=(found.st_atime_ns, found.st_mtime_ns))
    target = GitTarget(place.settings())
    with pytest.raises(TransientError, match="cache folder"):
        await target.start()
    await target.start()
    assert sorted(int(held.row.key) for held in await target.inventory()) == [1, 2, 3]
    await target.close()
