"""The commands `rowcast targets …`: what the database keeps of each target, and how one is forgotten."""

import asyncio
import os
from datetime import UTC
from typing import Annotated

import httpx
import typer

from rowcast.core.errors import TransientError
from rowcast.core.row import APP_CONFIGS
from rowcast.core.targets import KINDS, url_variable
from rowcast.core.words import count
from rowcast.crud.deliveries import outstanding
from rowcast.crud.deliveries.undelivered import for_unknown_targets
from rowcast.crud.sources.cli import required
from rowcast.crud.sources.database import SourceError, reading, writing
from rowcast.crud.targets.kept import KeptTarget, forget, forgettable, kept, known
from rowcast.renderers.files import DatabaseUrl
from rowcast.runtime.confirmation import confirm
from rowcast.runtime.dapr import DaprPublisher
from rowcast.runtime.exits import told
from rowcast.runtime.known_targets import KnownTargets
from rowcast.runtime.output import Output, OutputForm, print_facts, print_lines
from rowcast.runtime.person import this_user
from rowcast.runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False)
ASK_SECONDS = 5.0


class _Settings(KnownTargets, Settings):
    """Which targets there are, and the own sidecar."""

    @property
    def configured(self) -> tuple[str, ...] | None:
        """The targets, if anybody has named them."""
        return self.targets if "target_kinds" in self.model_fields_set else None


@app.command(name="list")
def list_targets(database_url: DatabaseUrl = None, output: OutputForm = Output.TABLE) -> None:
    """List the targets that rows are delivered to, and those that are not known any more and have told of rows.

    Known are those that crud goes by, and those of ROWCAST_TARGETS where that is set. Exit codes: 0 done, 1 no answer,
    2 wrong options.
    """
    settings = _Settings.load()
    with told(), reading(required(database_url)) as connection:
        names = known(connection, settings.configured, settings.targets)
        found = {one.name: one for one in kept(connection)}
    lines = [_as_json(name, name in names, found.get(name), settings) for name in dict.fromkeys([*names, *found])]
    if output is not Output.TABLE:
        print_facts(lines, output)
        return
    head = ("NAME", "KIND", "KNOWN", "ROWS", "DEAD LETTERS", "LAST TOLD")
    print_lines(head, [
        (one["name"], one["kind"] or "-", "yes" if one["known"] else "no", one["rows"], one["dead_letters"],
         one["told_at"] or "never")
        for one in lines
    ])  # fmt: skip


@app.command(name="forget")
def forget_target(
    name: Annotated[str, typer.Argument(help="The target's name.")],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask for the name.")] = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Forget a target that is gone for good, so that no row waits for it any more.

    What it has told of rows goes, the word of its GitOps engine too, and its open dead letters are discarded; all of
    it in one transaction, which the audit has. What is live at its place stays there as it is. The login has to be
    that of Rowcast's owner. Refused for a target that is known (as `list` says), that has told something within 5
    minutes, or whose instance answers, where ROWCAST_SYNC_NAME_URL or a sidecar leads to it. Exit codes: 0 done,
    1 refused, or there is no such target, 2 wrong options, or not confirmed.
    """
    settings = _Settings.load()
    with told():
        url = required(database_url)
        with reading(url) as connection:
            names = known(connection, settings.configured, settings.targets)
            found = forgettable(connection, name, names)
            ours, others = outstanding.few(connection, APP_CONFIGS), outstanding.few_of_others(connection)
            number = for_unknown_targets(connection, names, ours, others).get(name, 0)
        if answers(name, settings):
            raise SourceError(f"sync-{name} answers: stop it first, or it tells of its rows again")
        waiting = f"{count(number, 'row')} {'waits' if number == 1 else 'wait'} for it"
        typer.echo(f"{name}: {_account(found)}; {waiting}", err=True)
        confirm(name, "forget", yes)
        with writing(url) as connection:
            names = known(connection, settings.configured, settings.targets)
            gone = forget(connection, name, this_user(), names)
        typer.echo(f"{name}: forgotten: {_account(gone)}. What is live at its place stays as it is")


def answers(name: str, settings: Settings) -> bool:
    """Whether the instance of a target is there, as far as anything leads to it."""
    address = os.environ.get(url_variable(name))
    if address:
        try:
            httpx.get(address, timeout=ASK_SECONDS, trust_env=False)
        except httpx.TransportError:
            return False
        return True
    return bool(os.environ.get("DAPR_HTTP_PORT")) and asyncio.run(_answers_sidecar(name, settings))


async def _answers_sidecar(name: str, settings: Settings) -> bool:
    async with DaprPublisher(settings, ASK_SECONDS) as sidecar:
        try:
            await sidecar.invoke(f"sync-{name}", "/facts")
        except TransientError:
            return False
    return True


def _account(found: KeptTarget) -> str:
    engine = ", its GitOps engine's word" if found.followed else ""
    return (
        f"what it has told of {count(found.configurations, 'configuration')} and {count(found.rows, 'row')} of tables"
        f"{engine}, and {count(found.dead_letters, 'open dead letter')}"
    )


def _as_json(name: str, is_known: bool, found: KeptTarget | None, settings: KnownTargets) -> dict[str, object]:
    return {
        "name": name,
        "kind": settings.target_kinds.get(name) or (name if name in KINDS else None),
        "known": is_known,
        "rows": found.configurations + found.rows if found else 0,
        "dead_letters": found.dead_letters if found else 0,
        "told_at": f"{found.told_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if found else None,
    }
