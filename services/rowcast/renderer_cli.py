"""The commands `rowcast renderer …`: what files are enough for starts without what asks databases and clusters.

That takes a second to import, and tests are run at each save and commit.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rowcast.renderers.declaration import check
from rowcast.renderers.files import (
    Columns,
    DatabaseUrl,
    Declarations,
    Tables,
    declarations,
    problems_of,
    read_text,
    tables_of,
)
from rowcast.renderers.golden import GoldenTest, read_tests
from rowcast.renderers.json_schema import json_schema
from rowcast.renderers.testing import Result, Suite, Verdict
from rowcast.runtime.exits import Exit, told

_HELP = """Declarations of how rows of any table become resources: write, check, render and test them.

`apply` makes a declaration count, and `delete` ends that; all others change neither database nor cluster.
"""
_COLOURS = {"+": typer.colors.GREEN, "-": typer.colors.RED, "@": typer.colors.CYAN}


class RendererGroup(TyperGroup):
    """The commands of this module, and those of crud, imported when one of them is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All, crud's first."""
        return [*self._of_crud().list_commands(ctx), *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """None for a name that no command has."""
        return super().get_command(ctx, cmd_name) or self._of_crud().get_command(ctx, cmd_name)

    def _of_crud(self) -> TyperGroup:
        try:
            return typer.main.get_group(importlib.import_module("rowcast.crud.renderers.cli").app)
        except ImportError as error:
            typer.echo(f"rowcast: rowcast.crud.renderers.cli cannot be imported: {error}", err=True)
            raise typer.Exit(Exit.FAILED) from None


app = typer.Typer(cls=RendererGroup, no_args_is_help=True, add_completion=False, help=_HELP)


@app.command(name="test")
def run_tests(
    files: Declarations,
    update: Annotated[
        bool, typer.Option("--update", help="Write the files that are expected, and say which have changed.")
    ] = False,
    keyword: Annotated[
        list[str] | None,
        typer.Option("-k", "--keyword", metavar="TEXT", help="Only tests with this in their names; or that, if again."),
    ] = None,
    database_url: DatabaseUrl = None,
    columns: Columns = None,
) -> None:
    """Run declarations' `tests`: each row has to become what its file says. Shows what differs.

    Needs neither cluster nor database where the columns are in a file. `--update` makes folders that are missing,
    writes nothing outside of the declaration's folder, and removes nothing. Exit codes: 0 all pass, or are written,
    1 some don't, a declaration has problems or no tests, or no test has such a name, 2 wrong options.
    """
    counts: Counter[Verdict] = Counter()
    problems = False
    with told():
        for file in declarations(files):
            try:
                for test, result in _results(file, update, keyword or [], database_url, columns):
                    counts[result.verdict] += 1
                    _print(file, test, result)
            except typer.Exit:  # its problems are said, and the other declarations have theirs
                problems = True
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    typer.echo(said or "no test has been run", err=True)
    if problems or counts[Verdict.FAILED] or not counts:
        raise typer.Exit(Exit.FAILED)


@app.command(name="json-schema")
def print_json_schema() -> None:
    """Print the JSON Schema (2020-12) of declarations, for editors. Not what `schemas` saves: that is of your kinds.

    Exit codes: 0 done, 2 wrong options.
    """
    typer.echo(json.dumps(json_schema(), indent=2))


def _results(
    file: Path, update: bool, keywords: Sequence[str], database_url: str | None, columns: Path | None
) -> Iterator[tuple[GoldenTest, Result]]:
    """Raises typer.Exit when the problems are printed, UsageError."""
    with problems_of(file):
        text = read_text(file)
        tests = read_tests(text)
        if not tests:
            typer.echo(f"{file}: spec.tests has no test", err=True)
            raise typer.Exit(Exit.FAILED)
        with tables_of(file, columns, database_url, _known_tables) as table:
            suite = Suite(file.parent, *check(text, table))
    for test in tests:
        if not keywords or any(keyword.casefold() in test.name.casefold() for keyword in keywords):
            yield test, suite.run(test, update)


@contextmanager
def _known_tables(url: str) -> Iterator[Tables]:
    from rowcast.crud.sources.database import known_tables

    with known_tables(url) as tables:
        yield tables


def _print(file: Path, test: GoldenTest, result: Result) -> None:
    typer.echo(f"{file}: {test.name}: {': '.join(filter(None, (result.verdict, result.reason)))}")
    for line in result.diff:
        typer.secho(line, fg=_COLOURS.get(line[:1]))
