"""`rowcast completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer.completion

app = typer.Typer(add_completion=False)


class Shell(StrEnum):
    """A shell that can be taught."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="Whose script.")]) -> None:
    """Print a script that completes commands and options: `source <(rowcast completion bash)`.

    Exit codes: 0 done, 2 an unknown shell.
    """
    # Typer names these two in its module, and says so nowhere.
    typer.echo(
        typer.completion.get_completion_script(  # type: ignore[attr-defined]
            prog_name="rowcast", complete_var="_ROWCAST_COMPLETE", shell=shell.value
        )
    )
