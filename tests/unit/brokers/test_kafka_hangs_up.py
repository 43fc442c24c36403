"""What Kafka says last, before it hangs up: that is where it tells why a login is refused."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rowcast.brokers import kafka
from rowcast.brokers.access import Access
from rowcast.core.errors import PermanentError

_CORRELATION = slice(8, 12)
_VERSIONS = b"\0\0" + b"\3" + b"\0\x11\0\0\0\1\0" + b"\0\x24\0\0\0\1\0" + b"\0\0\0\0" + b"\0"
"""The answer to which requests it knows: those of a login, to select the mechanism and to send the password."""
_SELECTED = b"\0\0" + b"\0\0\0\1" + b"\0\5PLAIN"
_REFUSED = b"\0\x3a" + b"\0\7refused" + b"\0\0\0\0" + b"\0" * 8
"""SASL_AUTHENTICATION_FAILED, 58. Source: kafka.apache.org/protocol, SaslAuthenticateResponse version 1."""


@contextmanager
def broker() -> Iterator[int]:
    """One that refuses every login and hangs up in the same moment, as one does whose client has no time to read."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            for body in (_VERSIONS, _SELECTED, _REFUSED):
                asked = connection.recv(65536)
                if not asked:
                    return
                answered = asked[_CORRELATION] + body
                connection.sendall(len(answered).to_bytes(4, "big") + answered)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_a_refused_login_is_told_also_where_the_broker_hangs_up_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_MILLISECONDS", 1000)

    async def ask(port: int) -> None:
        asked = kafka.KafkaBroker(
            Access("kafka", f"kafka://nobody:secret@127.0.0.1:{port}"), [], partitions=1, replicas=1
        )
        try:
            await asked.facts()
        finally:
            await asked.aclose()

    with broker() as port, pytest.raises(PermanentError, match="does not let the user nobody in"):
        asyncio.run(ask(port))
