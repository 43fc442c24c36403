from __future__ import annotations

from pathlib import Path

from rowcast_local.jvm import ClassPath
from rowcast_local.parts.kafka import Kafka, server_properties

NOWHERE = Path("nowhere")


def test_clients_are_sent_to_a_proxy_where_one_is_named_and_the_broker_listens_at_its_own_port() -> None:
    kafka = Kafka(NOWHERE, ClassPath(NOWHERE, ()), NOWHERE, 9092, 9093, advertised_port=7000)

    properties = server_properties(kafka)

    assert kafka.bootstrap == "127.0.0.1:7000"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:7000"
    assert properties["listeners"].startswith("PLAINTEXT://127.0.0.1:9092,")
