"""The command line of `./task images`."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rowcast_images.archives import Made, place
from rowcast_images.making import BaseImages, clean, make, with_sboms
from rowcast_images.references import REGISTRY, Naming, version
from rowcast_images.sbom import sbom_tool
from rowcast_local.command_line import run
from rowcast_local.machine import CACHE, refuse, unwritable
from rowcast_local.paths import CHECKOUT
from rowcast_local.provision.progress import Progress

MIB = 1024 * 1024

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class BuilderName(StrEnum):
    """The programs that can build."""

    DOCKER = "docker"
    PODMAN = "podman"
    BUILDAH = "buildah"


def main() -> None:
    """Runs the command."""
    run(app, "./task images --")


@app.command()
def images(
    only: Annotated[list[str] | None, typer.Option(help="An image to build; may be given again. Default: all.")] = None,
    tag: Annotated[str, typer.Option(help="Their tag.")] = version(),
    registry: Annotated[str, typer.Option(help="What their names begin with; may be empty.")] = REGISTRY,
    output: Annotated[
        Path | None, typer.Option(help="Folder for docker-archives. Default: dist/images with buildah, else none.")
    ] = None,
    builder: Annotated[BuilderName | None, typer.Option(help="Default: the first of them that works.")] = None,
    base: Annotated[
        BaseImages, typer.Option(help="Base images: public ones, made here by debootstrap, or what is possible.")
    ] = BaseImages.AUTO,
    sbom: Annotated[
        bool, typer.Option("--sbom", help="Write a bill of materials of each, by a syft that is built if need be.")
    ] = False,
    throw_away: Annotated[
        bool, typer.Option("--clean", help="Throw away all that was built before, and build nothing.")
    ] = False,
) -> None:
    """Builds Rowcast's images with docker, podman or buildah, whichever is there and works.

    What was built of the same files before is not built again. Exit codes: 0 done, 1 failed, 2 wrong options.
    """
    refuse(unwritable(CACHE))
    console = Console(stderr=True, highlight=False)
    if throw_away:
        size = clean(Progress(console))
        console.print(f"Thrown away: {size // MIB} MiB of archives, and the layers below them.")
        return
    started = time.monotonic()
    with Progress(console) as progress:
        made = make(only or (), Naming(registry, tag), base=base, builder=builder, progress=progress)
        if sbom:
            made = with_sboms(made, progress)
    if output or made[0].only_archive:
        made = place(made, output or CHECKOUT / "dist" / "images")
    _report(made, console, time.monotonic() - started)


def _report(made: tuple[Made, ...], console: Console, seconds: float) -> None:
    table = Table("image", "MiB", "archive", box=None, pad_edge=False)
    for image in made:
        table.add_row(image.reference, f"{image.bytes / MIB:.0f}", str(image.archive))
    Console(highlight=False, width=None if console.is_terminal else 200).print(table)
    console.print(f"Done after {seconds:.0f} s.")
    if not all(image.sbom for image in made):
        hint = (
            "built before there was one"
            if sbom_tool()
            else "neither syft nor trivy is on this machine; --sbom gets one"
        )
        console.print(f"No bill of materials was written: {hint}.")
