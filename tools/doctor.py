"""`./task doctor`: what the commands need of this machine and can't get by themselves, with the line that gets it."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer
from rich.console import Console

from rowcast_cluster.errors import ClusterError
from rowcast_cluster.kind_node import kind_works
from rowcast_cluster.machine import PACKAGES as NODE_PACKAGES
from rowcast_cluster.machine import check_machine
from rowcast_images.finding import NAMES as BUILDERS
from rowcast_local.command_line import run
from rowcast_local.machine import CACHE, lacking, unwritable
from rowcast_local.provision import debian
from rowcast_local.provision.debian import PackageError
from rowcast_local.provision.needs import NEEDS, Need

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def installs() -> bool:
    """Whether a command that lacks a Debian package installs it by itself: as root, where there is apt."""
    return os.geteuid() == 0 and shutil.which("apt-get", path=debian.search_path()) is not None


def of_test(needs: Sequence[Need] = NEEDS) -> list[str]:
    """What the platform lacks, and what tests would be left out for."""
    return [*lacking(), *(f"{why}: {need.tests}" for need in needs if (why := _trouble(need)))]


def of_cluster() -> list[str]:
    """What a node lacks that isn't one of kind's."""
    if kind_works():
        return []
    try:
        check_machine()
    except ClusterError as error:
        return [str(error)]
    packages = [] if installs() else debian.missing(NODE_PACKAGES)
    return [f"no {', '.join(packages)} here (apt-get install {' '.join(packages)})"] if packages else []


def of_images() -> list[str]:
    """What building images lacks; which builder works is found out by building."""
    lacks = unwritable(CACHE)
    if installs() or any(shutil.which(name) for name in BUILDERS):
        return lacks
    return [*lacks, f"no {', '.join(BUILDERS)} here (apt-get install {BUILDERS[-1]})"]


COMMANDS: Mapping[str, Callable[[], list[str]]] = {
    "up": lacking,
    "test": of_test,
    "test:cluster": lambda: [*of_test(), *of_cluster()],
    "cluster:up": of_cluster,
    "images": of_images,
}


@app.command()
def doctor(
    commands: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(COMMANDS)}; all by default.")] = None,
) -> None:
    """Says what commands need of this machine and can't get by themselves, with the line that gets it; does nothing.

    What they build or download by themselves is no need. Exit codes: 0 nothing is missing, 1 something is, 2 wrong
    options.
    """
    if unknown := [name for name in commands or () if name not in COMMANDS]:
        raise typer.BadParameter(f"{', '.join(unknown)}: there is {', '.join(COMMANDS)}")
    console = Console(highlight=False)
    found = {name: COMMANDS[name]() for name in commands or COMMANDS}
    for name, lacks in found.items():
        console.print(f"{'[red]✗[/red]' if lacks else '[green]✓[/green]'} ./task {name}", soft_wrap=True)
        for lack in lacks:
            console.print(f"    {lack}", soft_wrap=True, markup=False)
    if any(found.values()):
        sys.exit(1)


def _trouble(need: Need) -> str:
    try:
        return "" if installs() and need.find() is None else need.trouble()
    except PackageError as error:
        return str(error)


if __name__ == "__main__":
    run(app, "./task doctor --")
