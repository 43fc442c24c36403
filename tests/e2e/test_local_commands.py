"""The local platform's commands, at one that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rowcast_local.platform import Platform


def up(platform: Platform, *options: str) -> subprocess.CompletedProcess[str]:
    return command_line(platform, "up", *options)


def command_line(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ROWCAST_STATE": str(platform.state.folder)}
    command = [sys.executable, "-m", "rowcast_local", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "options",
    [
        ("--set", "sync-git.ROWCAST_GIT_KUSTOMIZATION=true"),
        ("--gitops", "flux"),
        ("--broker", "redis"),
        ("--capture", "engine"),
    ],
)
def test_what_counts_from_a_start_on_is_refused_where_it_runs(platform: Platform, options: tuple[str, ...]) -> None:
    ran = up(platform, *options)
    assert (ran.returncode, "./task down, then again" in ran.stderr) == (1, True)
    assert platform.running


def test_a_platform_that_runs_is_left_alone(platform: Platform) -> None:
    ran = up(platform)
    assert (ran.returncode, "running already" in ran.stderr) == (0, True)


def test_connect_is_refused_for_a_broker_that_is_not_kafka(platform: Platform) -> None:
    ran = up(platform, "--broker", "redis", "--capture", "connect")
    assert (ran.returncode, "Kafka Connect needs Kafka" in ran.stderr) == (1, True)
    assert platform.running


def test_the_connector_is_put_again_with_the_options_that_are_given(platform: Platform) -> None:
    ran = command_line(platform, "connector", "--dry-run")
    assert (ran.returncode, ran.stdout) == (0, "connector rowcast: unchanged (dry run)\n")


def test_where_the_engine_captures_there_is_no_connector_to_put(tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("redis")
    ran = command_line(Platform(tmp_path), "connector")
    assert (ran.returncode, "no Kafka Connect here" in ran.stderr) == (1, True)
