"""The commands `rowcast broker …`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from rowcast.brokers.as_text import as_json, table
from rowcast.brokers.settings import BrokerSettings
from rowcast.core.broker import Broker
from rowcast.runtime.deadline import Deadline
from rowcast.runtime.exits import UsageError, told

app = typer.Typer(no_args_is_help=True, add_completion=False)
_T = TypeVar("_T")


class Output(StrEnum):
    """How facts are written."""

    TABLE = "table"
    JSON = "json"


@app.callback()
def main() -> None:
    """The broker, natively: what Dapr neither makes nor tells.

    Which and where: ROWCAST_BROKER (kafka, redis, rabbitmq or jetstream), ROWCAST_BROKER_URL or
    ROWCAST_BROKER_URL_FILE, ROWCAST_BROKER_CA_FILE, ROWCAST_BROKER_CONSUMER;
    of which platform: ROWCAST_TOPIC_PREFIX, ROWCAST_TARGETS.
    """


@app.command()
def prepare(
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for a broker that does not answer.")] = 60,
) -> None:
    """Make what every reader needs: topics, streams, queues, groups. May be repeated, and loses nothing.

    Capture does it before its first event. Exit codes: 0 done, 1 refused (a wrong login, a missing right, something of
    that name that differs), 2 wrong settings, 3 the broker did not answer in time.
    """
    with told():
        settings = BrokerSettings.load()
        Deadline(timeout).until(lambda: _ask(settings, lambda broker: broker.prepare()))
        typer.echo(f"{settings.broker}: all that Rowcast's readers need is there")


@app.command()
def status(
    output: Annotated[Output, typer.Option("--output", "-o", help="As a table, or as JSON.")] = Output.TABLE,
) -> None:
    """Show Rowcast's topics and how far each reader is; `-` is what this broker does not tell.

    LAG: messages that wait in the broker for that reader. UNANSWERED: given to it, and not answered yet; with Kafka
    they are part of LAG. Exit codes: 0 shown, 1 the broker refused or did not answer, 2 wrong settings.
    """
    with told():
        facts = _ask(BrokerSettings.load(), lambda broker: broker.facts())
        if output is Output.JSON:
            typer.echo(json.dumps(as_json(facts), indent=2))
            return
        for line in table(facts, datetime.now(UTC)):
            typer.echo(line)


def _ask(settings: BrokerSettings, question: Callable[[Broker], Awaitable[_T]]) -> _T:
    async def asking() -> _T:
        broker = settings.connect(settings.topic_prefix)
        if broker is None:
            raise UsageError("set ROWCAST_BROKER_URL or ROWCAST_BROKER_URL_FILE")
        try:
            return await question(broker)
        finally:
            await broker.aclose()

    return asyncio.run(asking())
