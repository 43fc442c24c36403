"""RabbitMQ from Debian's packages, without installing them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from rowcast_local.provision import debian, rabbitmq
from rowcast_local.provision.commands import CommandError, Commands, Running
from rowcast_local.provision.debian import PackageError

# As Debian's erlang-base has it, in part.
ERL = """#!/bin/sh
if [ -z "$ERL_ROOTDIR" ]
then
    ROOTDIR=/usr/lib/erlang
else
    ROOTDIR=/usr/lib/erlang
fi
echo "$ROOTDIR"
"""


class Asked(Commands):
    """Remembers what it would run; apt that has never asked for its lists downloads nothing."""

    def __init__(self, folder: Path, *, lists: bool) -> None:
        super().__init__(Running(), folder / "log")
        self.lists = lists
        self.commands: list[str] = []

    def run(self, *command: str | Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        words = [str(word) for word in command]
        self.commands.append(" ".join(words))
        self.lists |= words[-1] == "update"
        if "download" in words and not self.lists:
            raise CommandError("Unable to locate package")
        if "download" in words:
            (folder / f"{words[-1]}.deb").touch()


def test_packages_are_unpacked_and_none_is_installed(tmp_path: Path) -> None:
    asked = Asked(tmp_path, lists=True)
    debian.unpack(["erlang-base"], tmp_path, asked)
    archive = tmp_path / "erlang-base.deb"
    assert asked.commands == ["apt-get download erlang-base", f"dpkg-deb --extract {archive} {tmp_path}"]
    assert not archive.exists()


def test_a_machine_that_has_never_asked_what_there_is_is_asked_for_this_alone(tmp_path: Path) -> None:
    asked = Asked(tmp_path, lists=False)
    debian.unpack(["erlang-base"], tmp_path, asked)
    first, update, download, _ = asked.commands
    own = f"-o Dir::State::Lists={tmp_path / 'lists'}"
    assert own not in first
    assert own in update
    assert own in download
    assert not (tmp_path / "lists").exists()


def test_without_debian_it_is_named_before_anything_is_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match=r"missing here: rabbitmq-server .* or choose another broker"):
        rabbitmq.step(tmp_path)


def test_erlang_runs_from_wherever_it_was_unpacked(tmp_path: Path) -> None:
    program = tmp_path / "erlang" / "bin" / "erl"
    program.parent.mkdir(parents=True)
    program.write_text(ERL)
    program.chmod(0o755)
    rabbitmq.make_movable(program)

    link = tmp_path / "erl"
    link.symlink_to(program)
    for called in (program, link):
        ran = subprocess.run([called], capture_output=True, text=True, check=True)
        assert ran.stdout == f"{tmp_path / 'erlang'}\n"


def test_an_erlang_that_says_elsewhere_where_it_is_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "erl"
    program.write_text("#!/bin/sh\nROOTDIR=/opt/erlang\n")
    with pytest.raises(CommandError, match="does not say where Erlang is"):
        rabbitmq.make_movable(program)
