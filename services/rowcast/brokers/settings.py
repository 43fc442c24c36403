"""Where the broker is, from the environment; of capture, and of `rowcast broker`."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from rowcast.brokers import connect
from rowcast.brokers.access import parse
from rowcast.core.broker import Broker, BrokerKind
from rowcast.runtime.known_targets import KnownTargets
from rowcast.runtime.settings import Settings


class BrokerAccess(KnownTargets):
    """How the broker is reached natively, for what Dapr can't do; a service's own settings add these."""

    model_config = Settings.model_config

    broker: BrokerKind = "kafka"
    """What the pub/sub component speaks to."""
    broker_url: SecretStr | None = None
    """Where that is, for what Dapr can't do: to make queues and streams before the first event, and to ask how they
    are. `redis://`, `amqp://`, `nats://` (`rediss://`, `amqps://`, `tls://`) `[user:password@]host:port`, and for Kafka
    `host:port,…` or, with a login, `kafka://` (`kafkas://`), whose mechanism is PLAIN or what `?mechanism=` says."""
    broker_username: str | None = None
    """Whom to log in as, where `broker_url` doesn't say it."""
    broker_password: SecretStr | None = None
    """With what; as it is, whereas in a URL what is no letter or digit has to be percent-encoded."""
    broker_url_file: Path | None = None
    """A file with that instead, read at each connection."""
    broker_ca_file: Path | None = None
    """A file with the authorities that the broker's certificate is checked against."""
    broker_consumer: str = "{appID}"
    """What the pub/sub component has as its consumer's name (`consumerID`, `consumerGroup`, `durableName`)."""
    broker_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """On how many servers what is made anew is kept (JetStream, Kafka)."""
    broker_partitions: Annotated[int, Field(ge=1, le=1000)] = 6
    """In how many partitions a topic is made anew (Kafka): so many instances of a sync can share it."""

    @model_validator(mode="after")
    def _url_is_usable(self) -> Self:
        if self.broker_url is not None and self.broker_url_file is not None:
            raise ValueError("ROWCAST_BROKER_URL and ROWCAST_BROKER_URL_FILE: only one of the two")
        if self.broker_url is not None:
            try:
                address = parse(self.broker, self.broker_url.get_secret_value())
            except ValueError as error:
                raise ValueError(f"ROWCAST_BROKER_URL {error}") from None
        if self.broker_username is not None or self.broker_password is not None:
            if self.broker_username is None or self.broker_password is None:
                raise ValueError("ROWCAST_BROKER_USERNAME and ROWCAST_BROKER_PASSWORD: both or none")
            if self.broker_url is None or address.user is not None:
                raise ValueError("ROWCAST_BROKER_USERNAME: only with a ROWCAST_BROKER_URL that has no login")
        return self

    def connect(self, prefix: str) -> Broker | None:
        """The broker, for the topics that begin with `prefix`; None if nobody said where it is."""
        url = self.broker_url_file or self.url()
        if url is None:
            return None
        return connect(
            self.broker,
            url,
            self.broker_ca_file,
            prefix,
            self.targets,
            consumer=self.broker_consumer,
            replicas=self.broker_replicas,
            partitions=self.broker_partitions,
        )

    def url(self) -> str | None:
        """Where the broker is, with the login; None if nobody said so, or a file says it."""
        if self.broker_url is None:
            return None
        url = self.broker_url.get_secret_value()
        if self.broker_username is None or self.broker_password is None:
            return url
        scheme, _, rest = url.rpartition("://")
        user, password = quote(self.broker_username, safe=""), quote(self.broker_password.get_secret_value(), safe="")
        return f"{scheme or self.broker}://{user}:{password}@{rest}"


class BrokerSettings(BrokerAccess, Settings):
    """What `rowcast broker` reads."""
