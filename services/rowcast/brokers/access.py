"""Where a broker is, as whom to log in, and what its errors mean to us."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from rowcast.core.broker import BrokerKind
from rowcast.core.errors import PermanentError, TransientError

SECONDS = 10.0
"""How long a broker may take for one answer, in seconds."""

Reader = tuple[str, str]
"""(topic, the name of the group, queue owner or durable consumer that reads it)."""

LOGIN_REFUSED = "broker-login-refused"
FORBIDDEN = "broker-forbidden"
CONFLICT = "broker-conflict"
UNUSABLE = "broker-unusable"


SCHEMES: Mapping[BrokerKind, Mapping[str, int]] = {
    "kafka": {"kafka": 9092, "kafkas": 9093},
    "redis": {"redis": 6379, "rediss": 6379},
    "rabbitmq": {"amqp": 5672, "amqps": 5671},
    "jetstream": {"nats": 4222, "tls": 4222},
}
"""What a URL of each kind begins with, with TLS the second, and the ports that it may leave out."""


@dataclass(frozen=True, slots=True)
class Access:
    """A URL, or the file that holds it, and whose certificates are believed (None: those that the system knows)."""

    kind: BrokerKind
    url: str | Path
    ca_file: Path | None = None

    def read(self) -> Address:
        """The address now. Raises PermanentError for a wrong URL, TransientError for a file that can't be read."""
        try:
            return parse(self.kind, self._text())
        except ValueError as error:
            raise PermanentError(UNUSABLE, f"the broker's URL: {error}") from None

    def tls(self) -> ssl.SSLContext:
        """What a TLS connection is checked against. Raises PermanentError for a file without certificates."""
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except ssl.SSLError:
            raise PermanentError(UNUSABLE, f"the broker's CA file {self.ca_file}: it holds no certificate") from None
        except OSError as error:
            raise PermanentError(UNUSABLE, f"the broker's CA file {self.ca_file}: {error.strerror}") from None

    def _text(self) -> str:
        if isinstance(self.url, str):
            return self.url
        try:
            return self.url.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            # It may be there again in a moment, as a connection may.
            why = getattr(error, "strerror", None) or "it is no text"
            raise TransientError(f"the file with the broker's URL: {why}") from None


@dataclass(frozen=True, slots=True)
class Address:
    """A URL in its parts; `text` is the whole, and may hold a password."""

    text: str
    parts: SplitResult
    hosts: Sequence[tuple[str, int]]

    @property
    def user(self) -> str | None:
        """Whom to log in as."""
        return None if self.parts.username is None else unquote(self.parts.username)

    @property
    def password(self) -> str | None:
        """With what."""
        return None if self.parts.password is None else unquote(self.parts.password)

    def __str__(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in self.hosts)


def parse(kind: BrokerKind, text: str) -> Address:
    """A URL of this kind in its parts. Raises ValueError, whose text has nothing of the URL: it may hold a password."""
    schemes = SCHEMES[kind]
    try:
        # Kafka's clients are used to bare addresses.
        parts = urlsplit(f"kafka://{text}" if kind == "kafka" and "://" not in text else text)
        hosts = _hosts(parts, schemes.get(parts.scheme, 0))
    except ValueError:
        parts, hosts = urlsplit(""), []
    if parts.scheme not in schemes or not hosts:
        raise ValueError(f"must be {' or '.join(f'{scheme}://' for scheme in schemes)}[user:password@]host:port")
    return Address(text, parts, hosts)


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for each in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{each}")
        if one.hostname is None:
            raise ValueError(each)
        hosts.append((one.hostname, one.port or default_port))
    return hosts


def unreachable(address: object, error: BaseException) -> TransientError:
    """The broker does not answer."""
    why = str(error).strip() or type(error).__name__
    return TransientError(f"the broker at {address} does not answer: {why}")


def login_refused(address: object, user: str | None, error: BaseException) -> PermanentError:
    """The broker answers, and does not let us in."""
    whom = "a client without a login" if user is None else f"the user {user}"
    return PermanentError(LOGIN_REFUSED, f"the broker at {address} does not let {whom} in: {error}")


def forbidden(thing: str, error: BaseException) -> PermanentError:
    """We are let in, and may not do that."""
    return PermanentError(FORBIDDEN, f"the broker does not allow {thing}: {error}")


def conflict(thing: str, field: str, found: object, wanted: object, remedy: str) -> PermanentError:
    """Something of that name is there, and differs where it can't be changed."""
    return PermanentError(CONFLICT, f"{thing} has {field} {found}, and {wanted} is needed: {remedy}")
