"""Python 3.11 or newer is promised: a fresh checkout works with the oldest and the newest that this machine has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from leaving_out import leave_out
from pythons.machine import Interpreter, interpreters, oldest_and_newest

CHECKOUT = Path(__file__).parents[2]
ENDS = oldest_and_newest(interpreters())
# What takes minutes, and uses nothing of Python that others don't.
TOO_LONG = (
    "tests/unit/docs",
    "tests/unit/local/test_fast.py",
    "tests/unit/local/test_needs.py",
    "tests/unit/core/test_claims.py",
    "tests/unit/core/test_reconcile.py",
    "tests/unit/sync/git/test_yaml.py",
    "tests/unit/sync/test_any_broker.py",
    "tests/unit/sync/test_any_order.py",
    "tests/unit/sync/test_handover.py",
)
ROOMS = ("test_rooms.py", "test_shell.py", "test_api_client.py")
"""Of the dashboard's tests those that open every room, which is what another Python could break."""

pytestmark = pytest.mark.timeout(1800)


def checkout(folder: Path) -> Path:
    """What Git has of this checkout, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    return folder


def said(command: list[str | Path], folder: Path) -> str:
    outside = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        command, cwd=folder, env=outside, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-10_000:]
    return done.stdout


@pytest.mark.parametrize("python", ENDS, ids=str)
def test_a_fresh_checkout_is_made_and_its_units_pass_with_python(python: Interpreter, tmp_path: Path) -> None:
    without = subprocess.run([python.program, "-c", "import ensurepip"], capture_output=True, check=False).returncode
    if without:
        leave_out(f"Python {python} has no ensurepip (apt-get install python3-venv)")
    fresh = checkout(tmp_path / "checkout")

    said([python.program, "tools/bootstrap.py", "--version"], fresh)

    own = fresh / ".venv" / "bin" / "python"
    assert str(python) in said([own, "--version"], fresh)
    quiet = ["-q", "-n", "0", "-p", "no:cacheprovider", "--hypothesis-profile=few"]
    if python.version[:2] == sys.version_info[:2]:
        # All other tests run on this very version, but for its micro release: there everything is imported.
        assert " tests collected" in said([own, "-m", "pytest", *quiet, "--collect-only", "tests/unit"], fresh)
        return
    of_rooms = (path for path in (CHECKOUT / "tests/unit/ui").glob("test_*.py") if path.name not in ROOMS)
    left_out = [f"--ignore={path}" for path in (*TOO_LONG, *(path.relative_to(CHECKOUT) for path in of_rooms))]
    assert " passed" in said([own, "-m", "pytest", *quiet, *left_out, "tests/unit"], fresh)
