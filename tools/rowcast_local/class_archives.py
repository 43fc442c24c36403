"""Archives of loaded classes, with which Kafka and Connect start with little more than half of the work (JEP 350).

They are made once, by a run of both that loads what a platform loads. Where one is missing or of another Java, the
classes are loaded one by one.
"""

import argparse
import json
import subprocess
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from rowcast_local.jvm import ClassPath, locked_class_path
from rowcast_local.parts.connect import Connect
from rowcast_local.parts.java import archive_name
from rowcast_local.parts.kafka import Kafka, KafkaStorageError
from rowcast_local.ports import free_ports
from rowcast_local.program import Program

SECONDS = 600.0
"""How long each of the two may take to start, and to end: beside them, other parts are built."""
CONNECTOR = "io.debezium.connector.postgresql.PostgresConnector"


class ArchiveError(Exception):
    """A program did not start or end. The text says which, and what it said."""


def make(java: Path, class_path: ClassPath, into: Path) -> None:
    """Runs Kafka and Connect in a temporary folder, and leaves an archive of each in the folder `into`.

    Raises ArchiveError, KafkaStorageError, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="rowcast-classes-") as folder:
        clients, controller, rest = islice(free_ports(), 3)
        kafka = Kafka(java, class_path, Path(folder) / "kafka", clients, controller)
        connect = Connect(java, class_path, Path(folder) / "connect", rest, kafka.bootstrap, "classes")
        kafka.prepare()
        connect.prepare()
        with _recorded(kafka.program(), kafka.ready, into), _recorded(connect.program(), connect.ready, into):
            _ask_for_a_connector(connect)


@contextmanager
def _recorded(program: Program, ready: Callable[[], bool], into: Path) -> Iterator[None]:
    """The program runs meanwhile, and writes its archive when it ends."""
    java, *options = program.command
    command = [java, f"-XX:ArchiveClassesAtExit={into / archive_name(options[-2])}", *options]
    log = program.directory / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=program.directory, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ArchiveError(f"{program.name} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield
        process.terminate()
        process.wait(SECONDS)
    except subprocess.TimeoutExpired as error:
        raise ArchiveError(f"{program.name} does not end") from error
    finally:
        process.kill()
        process.wait()


def _ask_for_a_connector(connect: Connect) -> None:
    """Debezium's classes are loaded where a connector's configuration is looked at; that this one is wrong is fine."""
    login = b64encode(":".join(connect.login).encode()).decode()
    content = json.dumps({"connector.class": CONNECTOR, "name": "classes", "topic.prefix": "classes"}).encode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    url = f"{connect.url}/connector-plugins/PostgresConnector/config/validate"
    with suppress(OSError):
        urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PUT"), timeout=SECONDS).close()


def main() -> None:
    """Called by the step that provides them: what fails here leaves a platform that starts more slowly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--java", type=Path, required=True)
    parser.add_argument("--jars", type=Path, required=True, help="the folder of Kafka, Connect and Debezium")
    parser.add_argument("--into", type=Path, required=True)
    given = parser.parse_args()
    try:
        make(given.java, locked_class_path(given.jars), given.into)
    except (ArchiveError, KafkaStorageError, OSError) as error:
        print(f"no archives of classes, so Kafka and Connect start more slowly: {error}")


if __name__ == "__main__":
    main()
