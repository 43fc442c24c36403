"""What is read of a broker's URL."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from rowcast.brokers.access import Access, parse
from rowcast.brokers.settings import BrokerSettings
from rowcast.core.broker import BrokerKind
from rowcast.core.errors import PermanentError


@pytest.mark.parametrize(
    ("kind", "text", "hosts"),
    [
        ("redis", "redis://somewhere", [("somewhere", 6379)]),
        ("rabbitmq", "amqps://rabbit/vhost", [("rabbit", 5671)]),
        ("jetstream", "nats://one:1,two", [("one", 1), ("two", 4222)]),
        ("kafka", "one:1,two:2", [("one", 1), ("two", 2)]),
        ("kafka", "kafkas://user:password@one", [("one", 9093)]),
    ],
)
def test_a_url_names_hosts_and_may_leave_out_their_ports(
    kind: BrokerKind, text: str, hosts: list[tuple[str, int]]
) -> None:
    assert parse(kind, text).hosts == hosts


def test_a_login_may_have_any_character() -> None:
    address = parse("redis", "redis://some%40one:p%2Fw%3A@host")
    assert (address.user, address.password) == ("some@one", "p/w:")
    assert str(address) == "host:6379"


@pytest.mark.parametrize("text", ["", "amqp://user:secret@host", "redis://", "redis://user:secret@host:port", "host:1"])
def test_what_is_no_url_of_the_kind_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(PermanentError, match="rediss://") as raised:
        Access("redis", text).read()
    assert "secret" not in str(raised.value)


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(PermanentError, match=r"ca\.pem: it holds no certificate"):
        Access("redis", "rediss://host", file).tls()


def test_settings_take_one_url_of_their_kind() -> None:
    with pytest.raises(ValidationError, match="only one of the two"):
        BrokerSettings(broker="redis", broker_url=SecretStr("redis://host"), broker_url_file=Path("file"))
    with pytest.raises(ValidationError, match=r"must be amqp:// or amqps://"):
        BrokerSettings(broker="rabbitmq", broker_url=SecretStr("redis://host"))
    assert BrokerSettings(broker="redis").connect("rowcast") is None


def test_a_login_apart_from_the_url_is_taken_as_it_is() -> None:
    url, password = SecretStr("kafkas://one,two:2?mechanism=SCRAM-SHA-512"), SecretStr("p/w:@?#%41")
    settings = BrokerSettings(broker="kafka", broker_url=url, broker_username="some@one", broker_password=password)
    address = parse("kafka", str(settings.url()))
    assert (address.user, address.password) == ("some@one", "p/w:@?#%41")
    assert (address.hosts, address.parts.query) == ([("one", 9093), ("two", 2)], "mechanism=SCRAM-SHA-512")
    with pytest.raises(ValidationError, match="both or none"):
        BrokerSettings(broker="kafka", broker_url=url, broker_username="someone")
    with pytest.raises(ValidationError, match="has no login"):
        BrokerSettings(
            broker="redis", broker_url=SecretStr("redis://a:b@c"), broker_username="d", broker_password=password
        )
