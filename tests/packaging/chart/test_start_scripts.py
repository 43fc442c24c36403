"""The start scripts of parts that keep data, run here: one that was killed, or still is going, does no harm."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from charting.rendering import one, render

SERVER = "exec lighttpd"


@pytest.fixture
def script(tmp_path: Path) -> str:
    """The Git server's, with its folders here, and nothing in the server's place."""
    (tmp_path / "login").mkdir()
    for name in ("username", "password"):
        (tmp_path / "login" / name).write_text(name)
    text = str(one(render(), "ConfigMap", "rowcast-git-server")["data"]["start.sh"])
    text = text.replace("/srv/git", str(tmp_path)).replace("/etc/rowcast/git", str(tmp_path / "login"))
    text = text.replace("/tmp/users", str(tmp_path / "users"))
    assert SERVER in text
    return text.partition(SERVER)[0]


def start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(["sh", "-c", script], stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that still uses the volume."""
    process = subprocess.Popen(
        ["flock", str(tmp_path / ".lock"), "sh", "-c", "echo here; read end"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    yield process
    end(process)


def end(holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    holder.wait(20)


def test_the_locks_of_a_git_that_was_killed_are_gone_after_a_start(script: str, tmp_path: Path) -> None:
    assert start(script).wait(20) == 0
    repository = tmp_path / "rowcast.git"
    locks = [repository / "HEAD.lock", repository / "refs" / "heads" / "main.lock"]
    for lock in locks:
        lock.touch()

    assert start(script).wait(20) == 0

    assert [lock for lock in locks if lock.exists()] == []
    assert (repository / "HEAD").exists()


def test_a_server_waits_for_the_end_of_the_one_before(
    script: str, tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    """A pod that was deleted by force may still be going on the node."""
    started = start(script)
    assert started.stderr is not None
    assert "waiting for its end" in started.stderr.readline()
    assert not (tmp_path / "rowcast.git").exists()

    end(holder)

    assert started.wait(20) == 0
    assert (tmp_path / "rowcast.git").exists()


def test_postgresql_waits_likewise_before_it_touches_its_data(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    text = str(one(render(), "ConfigMap", "rowcast-postgres")["data"]["start.sh"])
    started = start(f"PGDATA={tmp_path}/data\n" + text)
    assert started.stderr is not None
    assert "waiting for its end" in started.stderr.readline()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    # With the process that waits.
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=20)
