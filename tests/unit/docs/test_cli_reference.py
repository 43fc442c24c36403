from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

import cli_reference
from rowcast.cli import app


def test_the_page_says_what_the_commands_say() -> None:
    assert cli_reference.PAGE.read_text() == cli_reference.page(), "run ./task docs"


def test_every_command_and_option_is_there_and_says_what_it_is_for() -> None:
    page = cli_reference.page()

    commands = dict(walk("rowcast", typer.main.get_command(app)))

    assert {"rowcast wait", "rowcast check", "rowcast crd apply", "rowcast crud serve"} <= commands.keys()
    assert [name for name in commands if f" `{name}`\n" not in page] == []
    assert [name for name, command in commands.items() if not command.help] == []
    assert [line for line in page.splitlines() if line.startswith("* `-") and "`: " not in line] == []


def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    if isinstance(command, TyperGroup):
        context = typer.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from walk(f"{name} {child}", found)
