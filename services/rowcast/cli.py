"""The console script `rowcast`. A service's commands are imported only when they are asked for."""

import asyncio
import importlib
import os
import signal
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
import typer.completion
from typer.core import TyperGroup

from rowcast import __version__
from rowcast.core.renderer import Renderer
from rowcast.core.rights import Account, Need

TERMINATED = 128 + signal.SIGTERM
"""The exit code of a command that SIGTERM has ended; what it had to clean up, it has."""

_SERVICES = {
    "crud": ("rowcast.crud.cli", "The API that owns the table of configurations."),
    "sync": ("rowcast.sync.cli", "Delivers changes to one target: Kubernetes or Git."),
    "reconcile": ("rowcast.sync.reconcile.cli", "Compare the table with a target, and put right what differs."),
    "login": ("rowcast.client.login_cli:login_app", "Log in at a crud from outside."),
    "logout": ("rowcast.client.login_cli:logout_app", "Forget a login."),
    "whoami": ("rowcast.client.login_cli:whoami_app", "Show who crud takes you for."),
    "get": ("rowcast.client.get_cli:get_app", "List rows, or show some of them."),
    "describe": ("rowcast.client.get_cli:describe_app", "Tell all of one row."),
    "apply": ("rowcast.client.apply_cli:apply_app", "Make rows what files say."),
    "diff": ("rowcast.client.apply_cli:diff_app", "Show what applying files would change."),
    "delete": ("rowcast.client.change_cli:delete_app", "Delete rows."),
    "history": ("rowcast.client.get_cli:history_app", "List what a row was, and who changed it."),
    "rollback": ("rowcast.client.change_cli:rollback_app", "Make a row what it was."),
    "proposals": ("rowcast.client.proposals_cli", "Changes that wait for another person's approval."),
    "wait": ("rowcast.check.wait_cli", "Wait until a row has arrived at its targets."),
    "promote": ("rowcast.check.promote_cli", "Copy rows' fields from one environment to the next."),
    "access": ("rowcast.check.explain_cli", "Who may do what, and which line of the policy says so."),
    "check": ("rowcast.check.check_cli", "Make a change, and see it arrive and go again."),
    "renderer": ("rowcast.renderer_cli", "Declarations of how rows of any table become resources."),
    "targets": ("rowcast.crud.targets.cli", "What the database keeps of each target, and how one is forgotten."),
    "capture": ("rowcast.capture.cli", "Captures changes without Kafka Connect, for any broker."),
    "broker": ("rowcast.brokers.cli", "The broker, natively: what Dapr neither makes nor tells."),
    "connector": ("rowcast.connector.cli", "The Debezium connector that captures changes."),
    "crd": ("rowcast.crd.cli", "The definition of the custom resources."),
    "completion": ("rowcast.client.completion_cli", "Print what a shell needs to complete commands."),
    "secrets": ("rowcast.crd.secrets_cli", "Passwords that a release needs, made once in its cluster."),
}


class LazyGroup(TyperGroup):
    """Finds a service's commands in its own package, so that one that doesn't import leaves the others usable."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The services, whether they import or not."""
        return list(_SERVICES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A service's commands; None for a name that isn't a service."""
        if cmd_name not in _SERVICES:
            return None
        module, help_text = _SERVICES[cmd_name]
        command = typer.main.get_command(_import_app(module))
        command.name = cmd_name
        command.short_help = help_text
        command.help = command.help or help_text
        return command


def _import_app(module: str) -> typer.Typer:
    name, _, attribute = module.partition(":")
    try:
        app: typer.Typer = getattr(importlib.import_module(name), attribute or "app")
    except ImportError as error:
        return _unavailable(name, error)
    return app


def _unavailable(module: str, error: ImportError) -> typer.Typer:
    app = typer.Typer()

    @app.command(context_settings={"ignore_unknown_options": True})
    def unavailable(_arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None) -> None:
        typer.echo(f"rowcast: {module} cannot be imported: {error}", err=True)
        raise typer.Exit(1)

    return app


app = typer.Typer(
    name="rowcast",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals hold passwords
    context_settings={"help_option_names": ["-h", "--help"]},
)


if "_ROWCAST_COMPLETE" in os.environ:
    # A shell asks what could come next (`rowcast completion`); what answers is only there once it is asked for.
    typer.completion.completion_init()  # type: ignore[attr-defined] # Typer calls it itself with `add_completion`


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rowcast {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Rowcast renders database rows as Kubernetes resources."""
    context.obj = _lacking
    # Python leaves SIGTERM to the kernel, which ignores it for the first process of a container.
    signal.signal(signal.SIGTERM, _end)


def _lacking(renderers: Sequence[Renderer], account: Account) -> Sequence[Need]:
    """What the API server of KUBECONFIG, or of the pod, doesn't allow an account: commands of crud have it from here.

    Raises RowcastError.
    """
    from rowcast.sync.targets.kubernetes.rights import lacking_at

    return asyncio.run(lacking_at(os.environ.get("KUBECONFIG"), renderers, account))


def _end(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(TERMINATED)
