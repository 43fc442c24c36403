"""The broker of a platform: which there are, and what the others must know of the one that was chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rowcast_local.part import Part
from rowcast_local.paths import CHECKOUT

COMPONENTS = CHECKOUT / "dapr-components" / "brokers"
PART_OF = {"kafka": "kafka", "redis": "broker-redis", "rabbitmq": "rabbitmq", "jetstream": "nats"}
"""By kind, the part that takes connections; its folder among the data has the same name."""


class Kind(StrEnum):
    """What carries the messages."""

    KAFKA = "kafka"
    REDIS = "redis"
    RABBITMQ = "rabbitmq"
    JETSTREAM = "jetstream"


class Capture(StrEnum):
    """What captures the changes: Kafka Connect, or Debezium's engine in `rowcast capture serve`."""

    CONNECT = "connect"
    ENGINE = "engine"


@dataclass(frozen=True)
class Broker:
    """One broker. `url` is for its own clients, with the login; `environment` is what Dapr's component refers to;
    `port` takes connections.
    """

    kind: Kind
    title: str
    url: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    port: int
    parts: Sequence[Part]

    @property
    def component(self) -> Path:
        """The one file of Dapr's components that differs from broker to broker."""
        return COMPONENTS / f"{self.kind}.yaml"

    @property
    def sync_settings(self) -> dict[str, str]:
        """What sync must know of it. A message that was lost on the way is found by looking for late rows."""
        if self.kind is Kind.KAFKA:
            return {"ROWCAST_SUBSCRIPTION": "bulk"}
        return {
            # JetStream delivers one at a time: a bulk would only add its wait to each.
            "ROWCAST_SUBSCRIPTION": "single" if self.kind is Kind.JETSTREAM else "bulk",
            "ROWCAST_LATE_SECONDS": "5",
            "ROWCAST_BROKER_CONFIRMS": "false" if self.kind is Kind.RABBITMQ else "true",
        }
