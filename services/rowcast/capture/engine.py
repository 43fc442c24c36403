"""Debezium's engine in this process, by JPype. Nothing else here knows of Java."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jpype
import orjson

from rowcast.capture.events import Record
from rowcast.core.connector import root_cause
from rowcast.core.errors import TransientError

_QUIET = ("org.apache.kafka.connect.json.JsonConverterConfig", "io.debezium.util.Threads")
_CLOSE_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


class Consumer(Protocol):
    """What the engine's records are for. Both are called in one thread of Java's; what they raise ends the engine."""

    def take(self, records: Sequence[Record]) -> None:
        """Return when all of them are safe."""
        ...

    def keep(self, position: Mapping[str, Any]) -> bool:
        """Keep the position after the last ones, and say so; False to put it off."""
        ...


@dataclass(frozen=True)
class Java:
    """A Java runtime: its home, the archives of its class path and its heap in MiB."""

    home: Path
    archives: Sequence[Path]
    heap_mib: int

    def start(self, log_level: str) -> None:
        """Once in a process. Raises TransientError if it can't be."""
        if jpype.isJVMStarted():
            return
        library = self.home / "lib" / "server" / "libjvm.so"
        if not library.exists():
            raise TransientError(f"ROWCAST_JAVA_HOME: there is no {library}")
        if not any(archive.name.startswith("debezium-embedded-") for archive in self.archives):
            raise TransientError("ROWCAST_CAPTURE_JARS: there is no debezium-embedded-….jar")
        jpype.startJVM(
            f"-Xmx{self.heap_mib}m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            # Out of memory the engine would stay as it is, half of it working.
            "-XX:+ExitOnOutOfMemoryError",
            "-Xrs",  # signals are Python's
            "-Djava.awt.headless=true",
            f"-Dorg.slf4j.simpleLogger.defaultLogLevel={'info' if log_level == 'debug' else 'warn'}",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-Dorg.slf4j.simpleLogger.showShortLogName=true",
            *(f"-Dorg.slf4j.simpleLogger.log.{logger}=error" for logger in _QUIET),
            jvmpath=str(library),
            classpath=[str(archive) for archive in self.archives],
            convertStrings=False,
        )


def version() -> str | None:
    """Debezium's; None before Java has started."""
    if not jpype.isJVMStarted():
        return None
    return str(jpype.JClass("io.debezium.connector.postgresql.Module").version())


class Engine:
    """One run of the engine: from a position to its end, whatever ends it."""

    def __init__(self, settings: Mapping[str, str], consumer: Consumer) -> None:
        self._consumer = consumer
        self._polling = threading.Event()
        self._error: str | None = None
        self._closing = False
        self._engine = self._build(settings)

    @property
    def polling(self) -> bool:
        """Whether it has started to read."""
        return self._polling.is_set()

    def run(self) -> None:
        """Blocks until the engine ends. Raises TransientError with the reason, unless it was closed."""
        self._engine.run()
        if self._error is not None and not self._closing:
            raise TransientError(self._error)

    def close(self) -> None:
        """Makes `run` return, from another thread; what `take` waits for has to be ended by its owner."""
        self._closing = True
        deadline = time.monotonic() + _CLOSE_SECONDS
        while time.monotonic() < deadline:
            try:
                self._engine.close()
            except jpype.JException as error:
                # It can't be closed while it starts, and needn't be when it has ended.
                if "while tasks are starting" not in str(error):
                    return
                time.sleep(_PAUSE_SECONDS)
            else:
                return

    def _build(self, settings: Mapping[str, str]) -> Any:
        embedded = jpype.JPackage("io").debezium.engine
        properties = jpype.JClass("java.util.Properties")()
        for key, value in settings.items():
            properties.setProperty(key, value)
        formats = embedded.format
        builder = embedded.DebeziumEngine.create(formats.Json.class_, formats.CloudEvents.class_)
        batches = jpype.JProxy(
            "io.debezium.engine.DebeziumEngine$ChangeConsumer",
            dict={"handleBatch": self._handle, "supportsTombstoneEvents": lambda: False},
        )
        completion = jpype.JProxy("io.debezium.engine.DebeziumEngine$CompletionCallback", dict={"handle": self._ended})
        nothing = dict.fromkeys(
            ("connectorStarted", "connectorStopped", "taskStarted", "taskStopped", "pollingStopped"), lambda: None
        )
        callbacks = jpype.JProxy(
            "io.debezium.engine.DebeziumEngine$ConnectorCallback", dict={**nothing, "pollingStarted": self._polling.set}
        )
        try:
            return builder.using(properties).using(completion).using(callbacks).notifying(batches).build()
        except jpype.JException as error:
            raise TransientError(_reason(error)) from None

    def _handle(self, changes: Any, committer: Any) -> None:
        self._consumer.take([_record(change) for change in changes])
        last = changes.get(changes.size() - 1)
        # Marked, a position may be confirmed to the server at any moment: so it is kept first.
        if self._consumer.keep(_position(last)):
            committer.markProcessed(last)
            committer.markBatchFinished()

    def _ended(self, success: bool, message: Any, error: Any) -> None:
        if not success:
            self._error = str(message) if error is None else _reason(error)


def write_position(file: Path, name: str, server: str, position: Mapping[str, Any] | None) -> None:
    """The file that an engine called `name`, whose topics begin with `server`, finds its position in.

    Kafka Connect's own format: a map of bytes, serialised. Without a position there is no file.
    """
    if position is None:
        file.unlink(missing_ok=True)
        return
    octets = jpype.JArray(jpype.JByte)
    positions = jpype.JClass("java.util.HashMap")()
    positions.put(octets(orjson.dumps([name, {"server": server}])), octets(orjson.dumps(position)))
    stream = jpype.JClass("java.io.ObjectOutputStream")(jpype.JClass("java.io.FileOutputStream")(str(file)))
    stream.writeObject(positions)
    stream.close()


def _record(change: Any) -> Record:
    key, value = change.key(), change.value()
    return Record(str(change.destination()), None if key is None else str(key), None if value is None else str(value))


def _position(change: Any) -> dict[str, Any]:
    mapper = jpype.JClass("com.fasterxml.jackson.databind.ObjectMapper")()
    position: dict[str, Any] = orjson.loads(str(mapper.writeValueAsString(change.sourceRecord().sourceOffset())))
    return position


def _reason(error: Any) -> str:
    writer = jpype.JClass("java.io.StringWriter")()
    error.printStackTrace(jpype.JClass("java.io.PrintWriter")(writer))
    return root_cause(str(writer)) or str(error)
