"""Rowcast's own way to a broker, one question at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from contract.brokers.servers import Server
from rowcast.brokers import connect
from rowcast.core.broker import Broker, BrokerFacts, GroupFacts, TopicFacts

T = TypeVar("T")
TARGETS = ("k8s", "git")


def ask(
    server: Server,
    prefix: str,
    question: Callable[[Broker], Awaitable[T]],
    url: str | Path | None = None,
    consumer: str = "{appID}",
) -> T:
    """The answer to one question, on a connection of its own."""

    async def asking() -> T:
        broker = connect(server.kind, url or server.url, None, prefix, TARGETS, consumer=consumer)  # type: ignore[arg-type]
        try:
            return await question(broker)
        finally:
            await broker.aclose()

    return asyncio.run(asking())


def prepare(server: Server, prefix: str) -> None:
    """Makes what the readers need."""
    ask(server, prefix, lambda broker: broker.prepare())


def facts(server: Server, prefix: str) -> BrokerFacts:
    """How the broker is."""
    return ask(server, prefix, lambda broker: broker.facts())


def topic(server: Server, prefix: str, name: str) -> TopicFacts:
    """How one topic is."""
    return next(each for each in facts(server, prefix).topics if each.name == f"{prefix}.{name}")


def group(server: Server, prefix: str, name: str, reader: str) -> GroupFacts:
    """How far one reader is in one topic."""
    return next(each for each in topic(server, prefix, name).groups if each.name == reader)
