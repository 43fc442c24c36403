"""Commands run in this process, against a crud at an URL."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from typer.testing import CliRunner

from client_contract import Ran, Run
from rowcast.cli import app


def against(url: str | None, config: Path, **environment: str) -> Run:
    """What runs a command with nothing else of the environment that says whom to ask, or as whom."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("ROWCAST_", "DAPR_", "APP_API"))}
    mine |= {"XDG_CONFIG_HOME": str(config), "COLUMNS": "200", **({"ROWCAST_CRUD_URL": url} if url else {})}

    def run(*arguments: str, input: str | None = None, **other: str) -> Ran:  # noqa: A002 - as CliRunner has it
        with patch.dict(os.environ, {**mine, **environment, **other}, clear=True):
            ran = CliRunner().invoke(app, list(arguments), input=input)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return Ran(ran.exit_code, ran.stdout, ran.stderr)

    return run
