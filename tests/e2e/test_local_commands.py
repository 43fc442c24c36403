"""The local platform's commands, at one that runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rowcast_local.platform import Platform


def up(platform: Platform, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ROWCAST_STATE": str(platform.state.folder)}
    command = [sys.executable, "-m", "rowcast_local", "up", *options]
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
