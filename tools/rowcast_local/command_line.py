"""How every command of `./task` runs and ends: errors, signals, exit codes."""

import signal
import sys
from typing import NoReturn

import typer
from rich.console import Console

from rowcast_local.errors import LocalError

INTERRUPTED_EXIT_CODE = 130
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(app: typer.Typer, program: str = "./task") -> None:
    """Runs a command; an error that is no bug is one line, and exit code 1; a signal that asks for an end gives 130."""
    _be_interruptible()
    try:
        app(prog_name=program, standalone_mode=True)
    except LocalError as error:
        _end(str(error))
    except PermissionError as error:
        _end(f"{error.filename}: {error.strerror}; it is another user's, or of a folder that is")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT_CODE)


def _end(why: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"[red]✗[/red] {why}", soft_wrap=True)
    sys.exit(1)


def _be_interruptible() -> None:
    """Has every signal that asks for an end raise KeyboardInterrupt, so that what was started is stopped."""
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    # Once: a second Ctrl-C must not keep the first from being obeyed.
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
