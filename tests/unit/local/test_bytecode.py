"""A process that may not keep bytecode compiles all that it imports: of a start, that is more than all else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .bare_machine import program

CHECKOUT = Path(__file__).parents[3]
READ = (
    "pyproject.toml",
    "requirements/bootstrap.txt",
    "requirements/dev.txt",
    "tools/bootstrap.py",
    "tools/rowcast_local/__init__.py",
    "tools/rowcast_local/pip_settings.py",
)
FORBIDDEN = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def test_what_task_starts_keeps_bytecode_whatever_the_shell_says(tmp_path: Path) -> None:
    for name in READ:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    made = tmp_path / ".venv" / "bin"
    made.mkdir(parents=True)
    program(made, "task", f"exec '{sys.executable}' -c 'import sys; print(sys.dont_write_bytecode)'")
    stamp = "import bootstrap; bootstrap.STAMP.write_text(bootstrap._wanted_stamp())"
    subprocess.run([sys.executable, "-c", stamp], cwd=tmp_path / "tools", check=True)

    command = [sys.executable, "tools/bootstrap.py"]
    ran = subprocess.run(command, cwd=tmp_path, env=FORBIDDEN, capture_output=True, text=True, check=True)

    assert ran.stdout == "False\n"


def test_tests_and_what_they_start_keep_it() -> None:
    assert not sys.dont_write_bytecode
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
