"""How the commands about what the database keeps write facts."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer
import yaml

from rowcast.runtime.text_table import text_table


class Output(StrEnum):
    """How facts are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputForm = Annotated[Output, typer.Option("--output", "-o", help="For people, or as JSON or YAML.")]


def print_lines(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people."""
    for line in text_table(head, [[str(cell) for cell in row] for row in rows]):
        typer.echo(line)


def print_facts(found: object, output: Output) -> None:
    """What JSON has, as JSON or YAML."""
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), nl=False)
