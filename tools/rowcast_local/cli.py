"""The local platform's commands, as `./task` calls them."""

import fcntl
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rowcast_local.assembly import OWN_SERVICES, SETTABLE, TARGETS, sync_of
from rowcast_local.broker import Capture, Kind
from rowcast_local.command_line import run
from rowcast_local.demonstration import follow
from rowcast_local.journey import report
from rowcast_local.machine import lacking, refuse
from rowcast_local.paths import State, cache_folder, state_folder
from rowcast_local.platform import Platform, PlatformError
from rowcast_local.provision.debian import PackageError
from rowcast_local.provision.go_parts import DAPR_CLI, FAULT_TOOLS, FORGE_PARTS, GITOPS_PARTS, PACKAGING_TOOLS
from rowcast_local.provision.needs import refuse_or_say, settle_needs
from rowcast_local.provision.progress import Progress
from rowcast_local.provision.toolbox import provide_broker, provide_built, provide_keycloak
from rowcast_local.provision.tools import tool
from rowcast_local.set_settings import load_settings, with_settings
from rowcast_local.status import print_status

TARGET = re.compile(r"[a-z](?:[-a-z0-9]{0,15}[a-z0-9])?")
"""As the chart has it."""

app = typer.Typer(name="rowcast-local", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Runs a command of the local platform."""
    run(app)


class Engine(StrEnum):
    """What applies the commits to the cluster."""

    NONE = "none"
    ARGOCD = "argocd"
    FLUX = "flux"


@app.command()
def up(
    parts_only: Annotated[
        bool, typer.Option("--parts-only", help="Leave our own services to `dapr run -f .`.")
    ] = False,
    gitops: Annotated[
        Engine | None, typer.Option("--gitops", help="Who makes the commits real; kept until another is named.")
    ] = None,
    broker: Annotated[
        Kind | None, typer.Option("--broker", help="What carries the messages; kept until another is named.")
    ] = None,
    capture: Annotated[
        Capture | None,
        typer.Option("--capture", help="What captures the changes: Kafka Connect (Kafka only) or Debezium's engine."),
    ] = None,
    renderers: Annotated[
        str | None,
        typer.Option(
            "--renderers",
            metavar="DIR",
            help="Declarations to apply, now and at each start; kept until another is named, or none.",
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            "--targets",
            metavar="NAME,…",
            help="Further clusters (k8s-eu), each a namespace of its own here; kept until others are named, or none.",
        ),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART.VARIABLE=VALUE",
            help="A setting of one part (sync-git.ROWCAST_GIT_KUSTOMIZATION=true); kept until it is set to nothing.",
        ),
    ] = None,
) -> None:
    """Starts the whole platform, and shows one configuration become a custom resource and a commit."""
    refuse(lacking())
    console = Console(stderr=True, highlight=False)
    with alone(), Progress(console) as progress:
        engine = {None: None, Engine.NONE: ""}.get(gitops, gitops)
        without = OWN_SERVICES if parts_only else ()
        clusters = None if targets is None else named(targets)
        before = Platform(state_folder())
        further = before.targets if clusters is None else clusters
        if parts_only and further:
            raise PlatformError("`dapr run -f .` starts no further clusters; --targets= leaves them out")
        settable = (*SETTABLE, *(f"{sync_of(target)}{kind}" for target in further for kind in ("", "-dapr")))
        settings = with_settings(load_settings(State(state_folder()).settings), given or (), settable)
        platform = Platform(
            state_folder(),
            progress=progress,
            without=without,
            gitops=engine,
            broker=broker,
            capture=capture,
            renderers=renderers and str(Path(renderers).resolve()),
            settings=settings,
            targets=clusters,
        )
        changed = platform.change or (platform.gitops, platform.targets) != (before.gitops, before.targets)
        if platform.running and (given or changed):
            raise PlatformError("the platform is running, and settings count from a start on: ./task down, then again")
        _ = platform.renderers  # a folder that isn't there is said first
        if platform.running:
            said = platform.apply_renderers()
            now = f"Its declarations:\n{said}" if said else "Nothing was changed."
            console.print(f"The platform is running already. {now}\nDashboard: {_dashboard(platform)}")
            return
        try:
            console.print("Getting the parts")
            _ = platform.toolbox
            console.print("Starting them, all at once")
            platform.start()
            platform.wait_ready()
            shown = "" if parts_only else report(follow(platform.blueprint), _dashboard(platform))
        except BaseException:
            console.print("Stopping what was started")
            platform.stop()
            raise
    Console(highlight=False).print(shown)
    if not parts_only and (said := platform.apply_renderers()):
        console.print(said)


def named(targets: str) -> tuple[str, ...]:
    """The further clusters that are asked for. Raises PlatformError for a name that is none."""
    names = tuple(dict.fromkeys(name.strip() for name in targets.split(",") if name.strip()))
    for name in names:
        if not TARGET.fullmatch(name) or name in TARGETS.split(","):
            rule = f"a name is of a-z, 0-9 and -, 17 characters at most, and none of {TARGETS}"
            raise PlatformError(f"--targets {name}: {rule}")
    return names


@app.command()
def get(
    tools: Annotated[
        bool,
        typer.Option("--tools", help="Also all that the tests need."),
    ] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Also the tools, and what ./task cluster:up runs.")
    ] = False,
) -> None:
    """Gets the parts and starts nothing: so that the tests' own time limits needn't know how long a build takes."""
    refuse(lacking())
    console = Console(stderr=True, highlight=False)
    with Progress(console) as progress:
        engine = Engine.ARGOCD if tools else None
        for choice in Platform(state_folder(), progress=progress, gitops=engine).toolbox.choices:
            console.print(f"  {choice}")
        wanted = (*PACKAGING_TOOLS, *FAULT_TOOLS, DAPR_CLI, *FORGE_PARTS, *GITOPS_PARTS[Engine.FLUX]) if tools else ()
        for name in provide_built(wanted, cache_folder(), progress):
            console.print(f"  {name}")
        if tools:
            console.print(f"  {provide_keycloak(cache_folder(), progress)[0].name}")
        for kind in Kind if tools else ():
            try:
                chosen = provide_broker(kind, cache_folder(), progress)
            except PackageError as error:  # its tests are left out, or fail: they say so
                chosen = (f"no {kind}: {error}",)
            for line in chosen:
                console.print(f"  {line}")


@app.command()
def needs() -> None:
    """Says first what the tests want of this machine and it hasn't; with CI set that is an error."""
    refuse(lacking())
    console = Console(stderr=True, highlight=False)
    with Progress(console) as progress:
        if line := refuse_or_say(settle_needs(progress)):
            console.print(line, soft_wrap=True)


@app.command(name="tool")
def tool_command(name: Annotated[str, typer.Argument(help="helm, kustomize, kubeconform or helm-docs.")]) -> None:
    """Prints where a tool is that works on the packages; builds it if it is missing."""
    typer.echo(tool(name))


@app.command()
def down() -> None:
    """Stops the platform and keeps its data."""
    with alone():
        platform = Platform(state_folder())
        if not platform.running:
            typer.echo("The platform is not running.", err=True)
            return
        platform.stop()
    typer.echo("Stopped; the data is kept.", err=True)


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False) -> None:
    """Stops the platform and throws its data away; the cache of parts stays."""
    state = state_folder()
    if not yes:
        typer.confirm(
            f"Throw away the database, the messages, the cluster and the Git repository in {state}?", abort=True
        )
    with alone():
        Platform(state).destroy()
    typer.echo("Stopped; the data is gone.", err=True)


@app.command()
def status() -> None:
    """Says how each part is; the exit code is 1 if one is down."""
    if not print_status(Platform(state_folder())):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="The part, as `status` names it.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.")] = 50,
) -> None:
    """Shows what a part has said."""
    folder = State(state_folder()).logs
    file = folder / f"{name}.log"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.log")))
        raise PlatformError(f"no log of {name}; there is {known or 'none yet: start the platform with ./task up'}")
    command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(file)]
    sys.exit(subprocess.run(command, check=False).returncode)


class PartAction(StrEnum):
    """What can be done to one part of a running platform."""

    START = "start"
    STOP = "stop"
    KILL = "kill"


@app.command()
def part(
    action: Annotated[PartAction, typer.Argument(help="A part that is killed is started again at once.")],
    name: Annotated[str, typer.Argument(help="The part, as `status` names it.")],
) -> None:
    """Starts, stops or kills one part, to see what the others make of it."""
    platform = Platform(state_folder())
    if name not in platform.parts:
        raise PlatformError(f"no part {name}; there is {', '.join(sorted(platform.parts))}")
    match action:
        case PartAction.START:
            platform.start_part(name)
            platform.wait_ready(names=[name])
        case PartAction.STOP:
            platform.stop_part(name)
        case PartAction.KILL:
            platform.kill_part(name)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)
def connector(context: typer.Context) -> None:
    """Puts the connector's configuration to the running platform's Connect: `rowcast connector apply`."""
    platform = Platform(state_folder())
    if platform.capture is not Capture.CONNECT:
        raise PlatformError("no Kafka Connect here: Debezium's engine captures, as ./task logs -- capture tells")
    command = [str(Path(sys.executable).with_name("rowcast")), "connector", "apply", "--wait", *context.args]
    sys.exit(subprocess.run(command, env={**os.environ, **platform.env()}, check=False).returncode)


@app.command()
def env() -> None:
    """Prints `export` lines: eval "$(./task -s env)"."""
    for name, value in Platform(state_folder()).env().items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@contextmanager
def alone() -> Iterator[None]:
    """Keeps two commands from changing one platform at once. Raises PlatformError if another is at it."""
    with exclusively(state_folder()):
        yield


@contextmanager
def exclusively(folder: Path, *, for_the_last_time: bool = False) -> Iterator[None]:
    """Keeps two commands from changing what is in `folder` at once.

    Raises PlatformError if another is at it, or if it can't be written.

    The file that does so stays beside the folder, except `for_the_last_time`.
    """
    file = folder.with_name(f"{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        opened = file.open("w")
    except OSError as error:
        raise PlatformError(f"{file} can't be written: {error.strerror}") from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError("another ./task is starting or stopping it") from None
        yield
        if for_the_last_time:
            file.unlink(missing_ok=True)


def _dashboard(platform: Platform) -> str:
    return platform.blueprint.url("ui")


if __name__ == "__main__":
    main()
