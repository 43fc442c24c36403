"""Deletes a Kafka topic as `kafka-topics.sh --delete` does, which is in none of the archives that the platform needs.

Source: Kafka's protocol guide, DeleteTopics (key 20) version 1, request header version 1.
"""

from __future__ import annotations

import socket
import struct

DELETE_TOPICS, VERSION = 20, 1
UNKNOWN_TOPIC = 3


def delete_topic(bootstrap: str, name: str) -> None:
    """Raises OSError if the broker doesn't answer, AssertionError if it refuses; one that isn't there is gone."""
    host, _, port = bootstrap.partition(":")
    body = struct.pack(">hhi", DELETE_TOPICS, VERSION, 1) + _string("test")
    body += struct.pack(">i", 1) + _string(name) + struct.pack(">i", 10_000)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = _read(connection, struct.unpack(">i", _read(connection, 4))[0])
    (error,) = struct.unpack(">h", answer[-2:])
    assert error in (0, UNKNOWN_TOPIC), f"Kafka's error {error}"


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        chunk = connection.recv(size - len(found))
        if not chunk:
            raise ConnectionError("Kafka has ended the connection")
        found += chunk
    return found
