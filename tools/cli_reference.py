"""Writes docs/reference/cli.md from the commands' own declarations; `--check` says whether it is up to date."""

import sys
from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from rowcast.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD = """# The command `rowcast`

One program serves, does the jobs of a cluster, and helps scripts. `rowcast COMMAND --help` says the same as this
page, which `./task docs` writes from the code. Wrong settings or options are exit code 2, in one line on stderr.

"""


def page() -> str:
    """The whole page."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="rowcast")
    return HEAD + get_docs_for_click(obj=command, ctx=context, name="rowcast", indent=1).rstrip() + "\n"


def main() -> None:
    """Write the page, or compare it."""
    if "--check" in sys.argv and PAGE.read_text() != page():
        raise SystemExit(f"{PAGE.name} is not up to date: run ./task docs")
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
