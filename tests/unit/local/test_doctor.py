"""`./task doctor` says all that is missing at once, with the line that gets it, and does nothing about it."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

import doctor
from rowcast_local.machine import lacking
from rowcast_local.provision.needs import Need, on_path
from unit.local.bare_machine import program

WEAVER = Need("weaver", "weaver-bin", partial(on_path, "weaver"), "woven things")
SPINNER = Need("spinner", "spinner-bin", partial(on_path, "spinner"), "spun things")


@pytest.fixture
def user(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody who isn't root, on that machine."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return machine


@pytest.fixture
def root(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root, who could install; whoever does is caught."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(machine, "apt-get", f"echo was here >{machine}/installed")
    return machine


def test_all_that_is_missing_is_said_at_once_with_what_gets_it(user: Path) -> None:
    assert doctor.of_test([WEAVER, SPINNER]) == [
        "no weaver here (apt-get install weaver-bin): woven things",
        "no spinner here (apt-get install spinner-bin): spun things",
    ]


def test_what_a_command_installs_by_itself_is_no_need_and_is_not_installed(root: Path) -> None:
    assert doctor.of_test([WEAVER]) == doctor.of_cluster() == doctor.of_images() == []
    assert not (root / "installed").exists()


def test_what_is_there_and_does_not_run_nobody_gets_by_himself(root: Path) -> None:
    path = program(root, "weaver", "echo no libloom.so >&2; exit 127")
    assert doctor.of_test([WEAVER]) == [f"{path} does not run: no libloom.so: woven things"]


def test_a_node_needs_root_and_images_a_builder(user: Path) -> None:
    (cluster,) = doctor.of_cluster()
    assert "Docker and kind" in cluster
    assert doctor.of_images() == ["no docker, podman, buildah here (apt-get install buildah)"]
    program(user, "podman", "true")
    assert doctor.of_images() == []


def test_a_browser_that_was_chosen_and_is_not_there_is_said(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWCAST_CHROMIUM", "netscape")
    assert any("ROWCAST_CHROMIUM is 'netscape'" in lack for lack in doctor.of_test())


def test_a_cache_that_can_not_be_written_is_named_with_the_way_out(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user / "file").touch()
    monkeypatch.setenv("ROWCAST_CACHE", f"{user}/file/cache")
    monkeypatch.setenv("ROWCAST_STATE", str(user / "not" / "there" / "yet"))
    assert lacking() == [f"{user}/file/cache can't be written: chown it, or name another by $ROWCAST_CACHE"]


def test_a_cache_where_nobody_lets_us_look_is_named_as_any_other(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As another's home is, which root, whom tests may run as, is never kept from."""
    closed = user / "home of another"
    closed.mkdir()
    look, may = os.stat, os.access

    def refused(path: str | Path, **options: bool) -> os.stat_result:
        if closed in Path(path).parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refused)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed and may(path, mode))
    monkeypatch.setenv("ROWCAST_CACHE", str(closed / "cache" / "of-us"))
    monkeypatch.setenv("ROWCAST_STATE", str(user))
    assert lacking() == [f"{closed}/cache/of-us can't be written: chown it, or name another by $ROWCAST_CACHE"]


def test_the_exit_code_is_that_of_the_commands_that_are_asked_for(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWCAST_CACHE", str(user))
    monkeypatch.setenv("ROWCAST_STATE", str(user))
    up, images, unknown, everything = (
        CliRunner().invoke(doctor.app, list(names)) for names in (["up"], ["images"], ["sing"], [])
    )

    assert (up.exit_code, images.exit_code, unknown.exit_code, everything.exit_code) == (0, 1, 2, 1)
    assert up.output == "✓ ./task up\n"
    assert [line for line in everything.output.splitlines() if line.startswith(("✓", "✗"))] == [
        "✓ ./task up",
        "✗ ./task test",
        "✗ ./task test:cluster",
        "✗ ./task cluster:up",
        "✗ ./task images",
    ]
