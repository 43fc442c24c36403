"""The command line of `./task release`."""

import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rowcast_cluster.images import ARCHITECTURES as BY_MACHINE
from rowcast_images.making import build
from rowcast_local.command_line import run
from rowcast_local.paths import CHECKOUT
from rowcast_release.errors import ReleaseError
from rowcast_release.programs import log_in, output, own_registry
from rowcast_release.publishing import (
    ARCHITECTURES,
    Published,
    Version,
    lacks,
    names_in_chart,
    publish_chart,
    publish_images,
    refuse_what_is_there,
    sign,
)
from rowcast_release.readiness import facts, problems, version_of
from rowcast_release.signing import Signer, provenance

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(stderr=True, highlight=False)


def main() -> None:
    """Runs the command."""
    run(app, "./task release --")


@app.command()
def release(
    tag: Annotated[
        str | None, typer.Option(help="vMAJOR.MINOR.PATCH. Default: the commit's; what it would be, in a dry run.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Publish to a registry in a temporary folder, and throw it away.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the commit is the version.")] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with amd64 and arm64, each as `./task images -- --output` makes it."),
    ] = None,
    registry: Annotated[
        str, typer.Option(envvar="ROWCAST_REGISTRY", help="Where to, as registry.example/team; not in a dry run.")
    ] = "",
    signed: Annotated[
        bool, typer.Option("--sign", help="Sign in a dry run, too, by a key made for it; builds cosign.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
) -> None:
    """Publishes the version of this commit's tag: images, chart, signatures, bills of materials, provenance.

    A dry run does the same with a registry of its own and writes nothing but caches outside of a temporary folder; it
    says what keeps the commit from being released. It builds the images for this machine unless it is given a folder.
    ROWCAST_REGISTRY_USER and ROWCAST_REGISTRY_PASSWORD log in; without them what docker login has left does.
    The tests are none of it: `./task test` comes before. Exit codes: 0 done, 1 refused or failed, 2 wrong options.
    """
    known = facts(CHECKOUT, tag)
    version = version_of(known.tag)
    found = problems(known)
    for problem in found:
        console.print(f"[red]✗[/red] {problem}", soft_wrap=True)
    if found and not dry_run:
        raise ReleaseError(f"{known.tag} is not ready: {len(found)} of these to mend before")
    if check:
        console.print(
            f"✓ the commit is {known.tag}" if not found else f"{known.tag} could not be released", soft_wrap=True
        )
        sys.exit(1 if found else 0)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowcast-release-")))
        wanted = Version(CHECKOUT, version, registry, images or folder / "images")
        if dry_run:
            place = stack.enter_context(own_registry(folder / "registry"))
            wanted = replace(wanted, place=f"{place}/trial", plain=True)
            if images is None:
                here = BY_MACHINE[platform.machine()]
                build(tag=version, output=wanted.images / here)
        else:
            _log_in(wanted.place, folder)
            _refuse_half(wanted, yes)
        published = _publish(wanted, folder, known.tag, _signer(dry_run, signed, folder))
        if dry_run:
            for lack in lacks(wanted):
                console.print(f"[red]✗[/red] {lack}", soft_wrap=True)
    console.print(f"{'Tried' if dry_run else 'Published'}: {known.tag}, {len(published)} objects.")
    sys.exit(1 if found else 0)


def _log_in(place: str, folder: Path) -> None:
    user, password = (os.environ.get(f"ROWCAST_REGISTRY_{name}", "") for name in ("USER", "PASSWORD"))
    if place and user and password:
        log_in(place, user, password, folder)


def _refuse_half(wanted: Version, yes: bool) -> None:
    if not wanted.place:
        raise ReleaseError("no registry to publish to: --registry, or ROWCAST_REGISTRY (the repository's variable)")
    if missing := lacks(wanted):
        raise ReleaseError(f"the release would not be whole, in {wanted.images}: {'; '.join(missing)}")
    refuse_what_is_there(wanted)
    if not yes:
        what = f"{len(ARCHITECTURES)} architectures of all images and the chart, as version {wanted.version}"
        typer.confirm(f"Publish {what}, to {wanted.place}? A version never changes", abort=True)


def _signer(dry_run: bool, signed: bool, folder: Path) -> Signer | None:
    if not dry_run:
        return Signer(None)
    if signed:
        return Signer.with_own_key(folder)
    console.print("Not signed: a release is, by cosign, with provenance and bills of materials; try it with --sign.")
    return None


def _publish(wanted: Version, folder: Path, tag: str, signer: Signer | None) -> list[Published]:
    def signed(made: list[Published]) -> None:
        if signer:
            sign(made, signer, predicate)
            console.print(f"  ✓ {len(made)} signed, and verified")

    predicate = folder / "provenance.json"
    predicate.write_text(provenance(output("git", "-C", wanted.checkout, "rev-parse", "HEAD").strip(), tag))
    published = publish_images(wanted, lambda text: console.print(f"  ✓ {text}", soft_wrap=True))
    signed(published)
    chart = publish_chart(wanted, folder)
    console.print(f"  ✓ oci://{wanted.charts}:{wanted.version}", soft_wrap=True)
    signed([chart])
    for image, architectures in names_in_chart(wanted).items():
        if set(architectures) != set(wanted.architectures):
            raise ReleaseError(f"the chart names {image}, which is there for {', '.join(architectures)} alone")
    return [*published, chart]
