"""How Kafka and Connect are started, and when a startup cache is used."""

from pathlib import Path

import pytest

from rowcast_local.jvm import ClassPath
from rowcast_local.parts.connect import Connect, worker_properties
from rowcast_local.parts.java import java_command, startup_cache_folder
from rowcast_local.parts.kafka import Kafka, properties_text, server_properties


@pytest.fixture
def class_path(tmp_path: Path) -> ClassPath:
    folder = tmp_path / "jvm-1"
    return ClassPath(folder, (folder / "b.jar", folder / "a.jar"))


def java_of(version: str, folder: Path) -> Path:
    java = folder / f"java-{version}" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.touch()
    java.parent.parent.joinpath("release").write_text(f'JAVA_VERSION="{version}"\n')
    return java


def options(command: tuple[str, ...]) -> list[str]:
    return [each for each in command if "AOTCache" in each]


def test_the_class_path_keeps_its_order(class_path: ClassPath) -> None:
    command = java_command(Path("java"), class_path, "a.Main", heap_mib=10)
    assert command[command.index("-cp") + 1] == f"{class_path.folder}/b.jar:{class_path.folder}/a.jar"
    assert command[-1] == "a.Main"


def test_a_startup_cache_is_used_once_it_is_there(tmp_path: Path, class_path: ClassPath) -> None:
    java = java_of("25.0.2", tmp_path)
    assert options(java_command(java, class_path, "a.Main", heap_mib=10)) == []
    folder = startup_cache_folder(java, class_path)
    assert folder is not None
    folder.mkdir()
    folder.joinpath("a.Main.aot").touch()
    assert options(java_command(java, class_path, "a.Main", heap_mib=10)) == [f"-XX:AOTCache={folder}/a.Main.aot"]
    assert options(java_command(java, class_path, "another.Main", heap_mib=10)) == []


@pytest.mark.parametrize("version", ["17.0.15", "24.0.1", "1.8.0"])
def test_a_java_that_knows_no_such_cache_gets_none(version: str, tmp_path: Path, class_path: ClassPath) -> None:
    assert startup_cache_folder(java_of(version, tmp_path), class_path) is None


def test_a_java_whose_version_is_not_written_down_gets_none(class_path: ClassPath) -> None:
    assert startup_cache_folder(Path("/nowhere/bin/java"), class_path) is None


def test_another_java_has_another_cache(tmp_path: Path, class_path: ClassPath) -> None:
    folders = {startup_cache_folder(java_of(version, tmp_path), class_path) for version in ("25.0.2", "26.0.0")}
    assert len(folders) == 2


def test_every_listener_is_on_the_loopback(tmp_path: Path, class_path: ClassPath) -> None:
    kafka = Kafka(Path("java"), class_path, tmp_path, port=1, controller_port=2)
    connect = Connect(Path("java"), class_path, tmp_path, port=3, bootstrap=kafka.bootstrap)
    listeners = [*server_properties(kafka)["listeners"].split(","), worker_properties(connect)["listeners"]]
    assert [listener.split("://")[1] for listener in listeners] == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]


def test_credentials_are_in_the_environment_and_in_no_file(tmp_path: Path, class_path: ClassPath) -> None:
    capture = {"ROWCAST_CAPTURE_DB_PASSWORD": "hidden"}
    connect = Connect(Path("java"), class_path, tmp_path, port=3, bootstrap="127.0.0.1:1", capture=capture)
    connect.prepare()
    assert "hidden" not in connect.properties.read_text()
    assert "hidden" not in " ".join(connect.program().command)
    assert connect.program().environment == capture


def test_a_property_is_a_line() -> None:
    assert properties_text({"a": "1", "b": "x=y"}) == "a=1\nb=x=y\n"
