"""How a command asks whether what it would take away may go."""

import sys

import typer

from rowcast.runtime.exits import UsageError


def confirm(name: str, verb: str, yes: bool) -> None:
    """Returns once somebody has typed the name, or has said `--yes`. Raises UsageError otherwise."""
    if yes:
        return
    if not at_a_terminal():
        raise UsageError("--yes confirms it, where nobody can be asked")
    if typer.prompt(f"Type {name} to {verb} it") != name:
        raise UsageError("not confirmed: nothing has changed")


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()
