"""The engine's settings, made from the connector's: one file says how changes are captured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_OF_CONNECT = ("producer.", "topic.creation.", "key.converter", "value.converter", "tasks.max", "errors.")
"""What begins so is Connect's: its producer, its topics, its converters; and how often it tries again, for which
`running.py` is here.
"""
_HERE: Mapping[str, str] = {
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
    # Whatever has been marked as done is in the database already: the engine may confirm it at once.
    "offset.flush.interval.ms": "0",
    # We start the engine again ourselves, and say why: it would go on trying without a word to anybody.
    "errors.max.retries": "0",
    "slot.max.retries": "0",
    "record.processing.threads": "1",
    # How long what has been read may take until the broker has it; the engine waits so long at its end.
    "record.processing.shutdown.timeout.ms": "1000",
    # A publication's table is read before the engine counts as started.
    "task.management.timeout.ms": "60000",
    "converter.schemas.enable": "false",
    "key.converter.schemas.enable": "false",
    "value.converter.serializer.type": "json",
    "value.converter.data.serializer.type": "json",
    "value.converter.json.schemas.enable": "false",
}
HIDDEN = "__debezium"
"""What begins so is a topic of Debezium's own, such as its heartbeats: it only moves the position on."""


def engine_settings(
    connector: Mapping[str, str], database: Mapping[str, str], name: str, offsets: Path
) -> dict[str, str]:
    """`connector` is its configuration, `database` what its settings `database.…` are here, passwords included.

    `name` is part of the key under which the engine finds its position in the file `offsets`.
    """
    ours = {key: value for key, value in connector.items() if not key.startswith((*_OF_CONNECT, "database."))}
    kept = {key: value for key, value in connector.items() if key == "database.tcpKeepAlive"}
    return {**ours, **kept, **database, **_HERE, "name": name, "offset.storage.file.filename": str(offsets)}


def database_settings(
    host: str, port: int, name: str, user: str, password: str, sslmode: str, sslrootcert: Path | None
) -> dict[str, str]:
    """Debezium's names of where the database is and who logs in."""
    settings = {
        "database.hostname": host,
        "database.port": str(port),
        "database.dbname": name,
        "database.user": user,
        "database.password": password,
        "database.sslmode": sslmode,
    }
    return settings if sslrootcert is None else settings | {"database.sslrootcert": str(sslrootcert)}
