"""A broker's facts for people and for programs. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from rowcast.core.broker import BrokerFacts, TopicFacts
from rowcast.runtime.text_table import text_table

UNTOLD = "-"
_COLUMNS = ("TOPIC", "MESSAGES", "BYTES", "OLDEST", "KEPT", "READER", "LAG", "UNANSWERED", "CONSUMERS")


def as_json(facts: BrokerFacts) -> dict[str, Any]:
    """Facts as JSON has them; moments as ISO 8601."""
    told: dict[str, Any] = dataclasses.asdict(facts)
    for topic in told["topics"]:
        oldest = topic["oldest_at"]
        topic["oldest_at"] = oldest.isoformat() if isinstance(oldest, datetime) else None
    return told


def table(facts: BrokerFacts, now: datetime) -> Iterator[str]:
    """A line for the broker, one for each reader of each topic, and one for each warning."""
    yield " ".join(filter(None, (facts.kind, facts.version)))
    yield from text_table(_COLUMNS, [row for topic in facts.topics for row in _rows(topic, now)])
    yield from (f"warning: {warning}" for warning in facts.warnings)


def _rows(topic: TopicFacts, now: datetime) -> Iterator[tuple[str, ...]]:
    of_topic = (
        topic.name,
        _text(topic.messages),
        _text(topic.bytes),
        UNTOLD if topic.oldest_at is None else f"{_span((now - topic.oldest_at).total_seconds())} ago",
        UNTOLD if topic.retention_seconds is None else _span(topic.retention_seconds),
    )
    if not topic.groups:
        yield (*of_topic, UNTOLD, UNTOLD, UNTOLD, UNTOLD)
    for group in topic.groups:
        yield (*of_topic, group.name, _text(group.lag), _text(group.unanswered), _text(group.consumers))


def _text(number: int | None) -> str:
    return UNTOLD if number is None else str(number)


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(max(seconds, 0))))
