"""How far capture is, whatever captures: a connector at Kafka Connect, or Rowcast's own engine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, get_args

from rowcast.core.broker import BrokerFacts, GroupFacts, TopicFacts
from rowcast.core.connector import Status

EngineState = Literal["RUNNING", "STARTING", "RETRYING", "FAILED"]


@dataclass(frozen=True)
class ConnectFacts:
    """`status` is None where Connect has no such connector; `lsn` where the connector remembers no place in the log.

    `snapshot`: that place is of a snapshot, so the log has not been read on from there.
    """

    version: str
    status: Status | None
    offsets_known: bool
    lsn: int | None
    snapshot: bool = False

    @property
    def running(self) -> bool:
        """Whether changes are captured."""
        return self.status is not None and self.status.running

    @property
    def makes_slot(self) -> bool:
        """Whether there need be no slot yet."""
        return self.status is None


@dataclass(frozen=True)
class EngineFacts:
    """What `GET /facts` of `rowcast capture` tells.

    `waiting_since`: since when an event has waited for the broker to take it. `broker`: None where capture has not
    asked it, or could not, as `broker_error` says then.
    """

    version: str
    state: EngineState
    error: str | None
    offsets_known: bool
    lsn: int | None
    snapshot: bool
    published: int
    last_published_at: datetime | None
    waiting_since: datetime | None
    broker: BrokerFacts | None
    broker_error: str | None

    @property
    def running(self) -> bool:
        """Whether changes are captured."""
        return self.state == "RUNNING"

    @property
    def makes_slot(self) -> bool:
        """Whether there need be no slot yet."""
        return self.state == "STARTING" and self.lsn is None


CaptureFacts = ConnectFacts | EngineFacts


class Capture(Protocol):
    """Whatever captures changes and publishes them."""

    async def facts(self) -> CaptureFacts:
        """Ask it. Raises TransientError when it doesn't answer, or not sensibly."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


def read_engine_facts(content: Mapping[str, Any]) -> EngineFacts:
    """The answer of `GET /facts`. Raises KeyError, TypeError or ValueError if it isn't one."""
    if content["state"] not in get_args(EngineState):
        raise ValueError(f"state {content['state']!r}")
    broker = content["broker"]
    error = broker["error"]
    return EngineFacts(
        version=content["engine"],
        state=content["state"],
        error=content["error"],
        offsets_known=content["offsets_known"],
        lsn=content["lsn"],
        snapshot=content["snapshot"],
        published=content["published"],
        last_published_at=_time(content["last_published_at"]),
        waiting_since=_time(content["waiting_since"]),
        broker=None if error is not None or broker.get("topics") is None else _broker(broker),
        broker_error=error,
    )


def _broker(content: Mapping[str, Any]) -> BrokerFacts:
    topics, warnings = tuple(map(_topic, content["topics"])), tuple(content.get("warnings", ()))
    return BrokerFacts(content["kind"], content["version"], topics, warnings)


def _topic(content: Mapping[str, Any]) -> TopicFacts:
    # By name: a newer capture may tell more.
    return TopicFacts(
        name=content["name"],
        messages=content["messages"],
        bytes=content["bytes"],
        oldest_at=_time(content["oldest_at"]),
        retention_seconds=content["retention_seconds"],
        groups=tuple(
            GroupFacts(group["name"], group["lag"], group["unanswered"], group["consumers"])
            for group in content["groups"]
        ),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
