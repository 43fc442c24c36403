"""What a command needs of this machine and can't have is said first, all of it, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from rowcast_local.command_line import run


@pytest.mark.parametrize("command", [("up",), ("get", "--tools"), ("needs",)], ids=" ".join)
def test_folders_that_can_not_be_written_are_said_first_and_together(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache, state = tmp_path / "file" / "cache", tmp_path / "file" / "state"
    environment = {**os.environ, "ROWCAST_CACHE": str(cache), "ROWCAST_STATE": str(state)}
    ran = subprocess.run(
        [sys.executable, "-m", "rowcast_local", *command], env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (
        1,
        f"✗ {cache} can't be written: chown it, or name another by $ROWCAST_CACHE\n"
        f"  {state} can't be written: chown it, or name another by $ROWCAST_STATE\n",
    )


def test_a_file_of_another_user_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def status() -> None:
        raise PermissionError(13, "Permission denied", "/home/another/ports.json")

    monkeypatch.setattr(sys, "argv", ["task"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        run(app)
    assert (end.value.code, capsys.readouterr().err.startswith("✗ /home/another/ports.json: Permission denied;")) == (
        1,
        True,
    )
