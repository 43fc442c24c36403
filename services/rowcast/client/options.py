"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from rowcast.check.access import Crud, access
from rowcast.core.row import APP_CONFIGS
from rowcast.runtime.confirmation import at_a_terminal
from rowcast.runtime.person import this_user

Renderer = Annotated[
    str, typer.Argument(metavar="[RENDERER]", help="Whose rows: a renderer's name; `appconfigs` are configurations.")
]
Name = Annotated[str, typer.Argument(metavar="NAME|KEY", help="A configuration's name or id, or a row's key.")]
Whose = Annotated[str, typer.Argument(metavar="RENDERER", help="A renderer's name; `appconfigs` are configurations.")]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME|KEY...", help="Configurations by name or id, rows by their keys.")
]
PastName = Annotated[
    str, typer.Argument(metavar="NAME|KEY", help="A configuration's name, deleted its id; or a row's key.")
]
Selector = Annotated[
    list[str] | None,
    typer.Option("--selector", "-l", metavar="COLUMN=VALUE", help="Only rows with this value; several are and-ed."),
]
Person = Annotated[
    str | None,
    typer.Option("--as", metavar="PERSON", help="Who does it, where no token says so [default: you]"),
]
Comment = Annotated[str | None, typer.Option("--comment", help="Why, for who has to approve it, where that is wanted.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DEFAULT = APP_CONFIGS


def selected(pairs: Sequence[str] | None) -> Mapping[str, str]:
    """`column=value` as a mapping. Raises typer.BadParameter."""
    found = {}
    for pair in pairs or ():
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"--selector is COLUMN=VALUE, and not {pair!r}")
        if name in found:
            raise typer.BadParameter(f"--selector names {name} twice: a row has one value")
        found[name] = value
    return found


@contextmanager
def connected(crud_url: str | None, person: str | None = None, comment: str | None = None) -> Iterator[Crud]:
    """crud, as the command's options and its environment say. Raises LoginError and TransientError."""
    with Crud(access(crud_url, os.environ), person=person or this_user(), comment=comment) as crud:
        yield crud


def confirmed(question: str, yes: bool) -> bool:
    """Whether somebody says yes; where nobody can be asked, only --yes does. Raises typer.BadParameter."""
    if yes:
        return True
    if not at_a_terminal():
        raise typer.BadParameter(f"{question} Nobody can be asked here: say --yes")
    return typer.confirm(question, err=True)
