"""The start scripts of parts that keep data, run here: one that was killed, or still is going, does no harm."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from base64 import b64decode
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


@pytest.mark.parametrize("password", ["plain", "a b", "a=b:c", "\\n#!'\"$x", " begins and ends with spaces "])
def test_any_password_is_the_one_that_connect_wants_to_see(tmp_path: Path, password: str) -> None:
    text = str(one(render(), "ConfigMap", "rowcast-connect")["data"]["start.sh"])
    begin, end_of_part = text.index("plainly()"), text.index("exec java")
    part = text[begin:end_of_part].replace("/tmp/", f"{tmp_path}/")
    environment = {**os.environ, "ROWCAST_CONNECT_USERNAME": "a user", "ROWCAST_CONNECT_PASSWORD": password}
    script = f"set -eu\n{part}\nenv"
    ran = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)

    # As Java reads properties: of what is written here, a backslash only hides the next character's meaning.
    line = (tmp_path / "logins.properties").read_text().removesuffix("\n")
    fields = re.fullmatch(r"((?:\\.|[^\\=])*)=(.*)", line)
    assert fields is not None
    assert [re.sub(r"\\(.)", r"\1", field) for field in fields.groups()] == ["a user", password]
    assert not [hidden for hidden in re.findall(r"\\(.)", line) if hidden.isalnum()]
    assert b64decode((tmp_path / "login").read_text()).decode() == f"a user:{password}"
    assert "ROWCAST_CONNECT_PASSWORD" not in ran.stdout
    assert (tmp_path / "logins.properties").stat().st_mode & 0o077 == 0
