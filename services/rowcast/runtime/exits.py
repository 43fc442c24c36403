"""The exit codes of Rowcast's commands, and one line on stderr for each way to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from rowcast.core.errors import RowcastError
from rowcast.runtime.deadline import LateError


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    LATE = 3
    PROPOSED = 4


class UsageError(RowcastError):
    """The command was asked for something that there is not."""


class ProposedError(RowcastError):
    """Nothing has changed yet: another person has to approve it; the text says where to look."""


@contextmanager
def told() -> Iterator[None]:
    """Turns errors into a line and an exit code."""
    try:
        yield
    except UsageError as error:
        raise _exit(Exit.USAGE, error) from error
    except LateError as error:
        raise _exit(Exit.LATE, error) from error
    except ProposedError as error:
        raise _exit(Exit.PROPOSED, error) from error
    except RowcastError as error:
        raise _exit(Exit.FAILED, error) from error


def _exit(code: Exit, error: RowcastError) -> typer.Exit:
    typer.echo(f"rowcast: {error}", err=True)
    return typer.Exit(code)
