"""Declarations as files, each with the file of its table's columns beside it: what all commands read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rowcast.core.shapes import TableShape
from rowcast.core.source import TableName
from rowcast.renderers.columns import read_columns
from rowcast.renderers.positions import ProblemsError
from rowcast.runtime.exits import Exit, UsageError

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="ROWCAST_DATABASE_URL",
        help="The table's database: postgresql://user:password@host:5432/name. The password may be in the file that"
        " ROWCAST_DATABASE_PASSWORD_FILE names.",
    ),
]
Columns = Annotated[
    Path | None,
    typer.Option(help="The file of columns [default: FILE's name with .columns.yaml, if there is no --database-url]"),
]
Declarations = Annotated[
    list[Path],
    typer.Argument(metavar="FILE…", help="The declarations; of a folder all that are in it (*.yaml)."),
]
Tables = Callable[[TableName], TableShape | None]


def declarations(files: Sequence[Path]) -> list[Path]:
    """Files as they are named, and those of folders, in the order of their names: no files of columns, nothing below.

    Raises UsageError for a folder that has none.
    """
    found: list[Path] = []
    for file in files:
        if not file.is_dir():
            found.append(file)
            continue
        inside = sorted(one for one in file.iterdir() if one.suffix in (".yaml", ".yml") and one.is_file())
        there = [one for one in inside if not one.stem.endswith(".columns") and not one.name.startswith(".")]
        if not there:
            raise UsageError(f"{file}: has no declaration (*.yaml)")
        found += there
    return found


def read_text(file: Path) -> str:
    """The text of a file. Raises UsageError."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {getattr(error, 'strerror', None) or 'is no UTF-8'}") from None


@contextmanager
def problems_of(file: Path) -> Iterator[None]:
    """Prints a ProblemsError as lines of the file, on stderr, and turns it into the exit code 1."""
    try:
        yield
    except ProblemsError as error:
        for problem in error.problems:
            typer.echo(f"{file}:{problem}", err=True)
        raise typer.Exit(Exit.FAILED) from None


@contextmanager
def tables_of(
    file: Path, columns: Path | None, database_url: str | None, connect: Callable[[str], AbstractContextManager[Tables]]
) -> Iterator[Tables]:
    """Where the columns are known from: the file that was named, or else the database, or else the file beside.

    `connect` gives the tables of a database. Raises UsageError, and as `problems_of` does.
    """
    beside = file.with_name(f"{file.stem}.columns.yaml")
    saved = columns or (beside if not database_url and beside.exists() else None)
    if saved is not None:
        with problems_of(saved):
            tables = read_columns(read_text(saved))
        yield tables.get
    elif database_url:
        with connect(database_url) as known:
            yield known
    else:
        raise UsageError(
            f"{file}: its columns aren't known: name --database-url, or save them as {beside} (renderer columns)"
        )
