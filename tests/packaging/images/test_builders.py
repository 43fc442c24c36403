"""Which program builds, and the words that it is given."""

from pathlib import Path

import pytest

from rowcast_images.builders import Build, Builder
from rowcast_images.errors import ImagesError
from rowcast_images.finding import Finder

BUILD = Build(
    reference="registry.example/rowcast/ui:1",
    dockerfile=Path("/source/ui-streamlit/Dockerfile"),
    target="ui",
    context=Path("/source"),
    arguments={"PYTHON_IMAGE": "base:1"},
    secrets={"machine": Path("/secrets/machine")},
    wheels=Path("/wheels"),
)


def program(folder: Path, name: str, code: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / name).chmod(0o755)


def test_a_docker_client_without_an_engine_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "docker", code=1)
    program(tmp_path / "bin", "podman", code=0)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")

    assert Finder(tmp_path / "storage", tmp_path / "logs").find(None).name == "podman"


def test_a_builder_that_is_wanted_and_cannot_build_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin", "docker", code=1)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")

    with pytest.raises(ImagesError, match="docker can't build here: `docker info` says why"):
        Finder(tmp_path / "storage", tmp_path / "logs").find("docker")
    with pytest.raises(ImagesError, match="podman is not on this machine"):
        Finder(tmp_path / "storage", tmp_path / "logs").find("podman")


@pytest.mark.parametrize(("name", "verb"), [("docker", "build"), ("podman", "build"), ("buildah", "bud")])
def test_each_builder_is_told_the_same(name: str, verb: str) -> None:
    command = " ".join(Builder(name, (name,)).build(BUILD))

    assert command.startswith(f"{name} {verb} ")
    for words in (
        "--build-arg PYTHON_IMAGE=base:1",
        "--secret id=machine,src=/secrets/machine",
        "--target ui",
        "--tag registry.example/rowcast/ui:1",
    ):
        assert words in command
    assert command.endswith(" /source")


def test_docker_which_takes_no_folders_is_given_none() -> None:
    assert "--volume" in Builder("podman", ("podman",)).build(BUILD)
    assert "--volume" not in Builder("docker", ("docker",)).build(BUILD)
