"""How Kafka and Connect are started."""

import subprocess
import sys
from pathlib import Path

import pytest

from rowcast_local.jvm import ClassPath
from rowcast_local.parts.connect import Connect, worker_properties
from rowcast_local.parts.java import archives_folder, java_command
from rowcast_local.parts.kafka import Kafka, properties_text, server_properties


@pytest.fixture
def class_path(tmp_path: Path) -> ClassPath:
    folder = tmp_path / "jvm-1"
    return ClassPath(folder, (folder / "b.jar", folder / "a.jar"))


def test_the_class_path_keeps_its_order(class_path: ClassPath) -> None:
    command = java_command(Path("java"), class_path, "a.Main", heap_mib=10)
    assert command[command.index("-cp") + 1] == f"{class_path.folder}/b.jar:{class_path.folder}/a.jar"
    assert command[-1] == "a.Main"


def test_classes_are_loaded_from_the_archive_that_is_there_for_this_java(class_path: ClassPath) -> None:
    folder = archives_folder(Path("java"), class_path.folder)
    folder.mkdir(parents=True)
    (folder / "kafka.Kafka.jsa").touch()

    for main in ("kafka.Kafka", "kafka.tools.StorageTool"):
        command = java_command(Path("java"), class_path, main, heap_mib=10)
        assert command[1] == f"-XX:SharedArchiveFile={folder / 'kafka.Kafka.jsa'}"
    for java, main in (("java", "org.apache.kafka.connect.cli.ConnectDistributed"), ("another", "kafka.Kafka")):
        assert "Archive" not in "".join(java_command(Path(java), class_path, main, heap_mib=10))


def test_where_no_archive_can_be_made_that_is_said_and_stops_nothing(class_path: ClassPath, tmp_path: Path) -> None:
    options = ("--java", "/bin/false", "--jars", str(class_path.folder), "--into", str(tmp_path))
    command = [sys.executable, "-m", "rowcast_local.class_archives", *options]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "Kafka and Connect start more slowly" in done.stdout


def test_every_listener_is_on_the_loopback(tmp_path: Path, class_path: ClassPath) -> None:
    kafka = Kafka(Path("java"), class_path, tmp_path, port=1, controller_port=2)
    connect = Connect(Path("java"), class_path, tmp_path, port=3, bootstrap=kafka.bootstrap, password="")
    listeners = [*server_properties(kafka)["listeners"].split(","), worker_properties(connect)["listeners"]]
    assert [listener.split("://")[1] for listener in listeners] == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]


def test_credentials_are_in_the_environment_and_in_no_file(tmp_path: Path, class_path: ClassPath) -> None:
    capture = {"ROWCAST_CAPTURE_DB_PASSWORD": "hidden"}
    connect = Connect(
        Path("java"), class_path, tmp_path, port=3, bootstrap="127.0.0.1:1", password="cafe", capture=capture
    )
    connect.prepare()
    assert "hidden" not in connect.properties.read_text()
    assert "hidden" not in " ".join(connect.program().command)
    assert connect.program().environment == capture


def test_who_may_use_connects_rest_interface_is_in_a_file_that_its_owner_alone_reads(
    tmp_path: Path, class_path: ClassPath
) -> None:
    connect = Connect(Path("java"), class_path, tmp_path, port=3, bootstrap="127.0.0.1:1", password="cafe")
    connect.prepare()

    holding = [file for file in tmp_path.iterdir() if "cafe" in file.read_text()]
    assert [file.name for file in holding] == ["logins.properties"]
    assert {file.stat().st_mode & 0o077 for file in holding} == {0}
    assert "cafe" not in " ".join(connect.program().command)
    assert "cafe" not in repr(connect)


def test_a_property_is_a_line() -> None:
    assert properties_text({"a": "1", "b": "x=y"}) == "a=1\nb=x=y\n"
