"""The key of an image changes with what it is made of, and with nothing else."""

import subprocess
from pathlib import Path

import pytest

from rowcast_images.catalogue import bases, images
from rowcast_images.errors import ImagesError
from rowcast_images.inputs import key_of, revision, snapshot


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "services" / "deep").mkdir(parents=True)
    (folder / "services" / "deep" / "a.py").write_text("a = 1\n")
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "other").write_text("not an input\n")
    return folder


def test_a_change_a_new_file_a_new_name_and_a_mode_change_the_key(checkout: Path) -> None:
    paths = ("Dockerfile", "services")
    keys = {key_of(paths, checkout=checkout)}
    file = checkout / "services" / "deep" / "a.py"
    file.write_text("a = 2\n")
    keys.add(key_of(paths, checkout=checkout))
    file.chmod(0o755)
    keys.add(key_of(paths, checkout=checkout))
    file.rename(file.with_name("b.py"))
    keys.add(key_of(paths, checkout=checkout))
    (checkout / "services" / "empty.py").touch()
    keys.add(key_of(paths, checkout=checkout))

    assert len(keys) == 5


def test_what_python_and_other_people_leave_does_not_change_the_key(checkout: Path) -> None:
    before = key_of(("Dockerfile", "services"), checkout=checkout)
    (checkout / "services" / "__pycache__").mkdir()
    (checkout / "services" / "__pycache__" / "a.pyc").touch()
    (checkout / "other").write_text("changed\n")

    assert key_of(("Dockerfile", "services"), checkout=checkout) == before


def test_a_snapshot_has_the_key_of_what_it_was_taken_from(checkout: Path, tmp_path: Path) -> None:
    snapshot(("Dockerfile", "services"), tmp_path / "copy", checkout)

    assert key_of(("Dockerfile", "services"), checkout=tmp_path / "copy") == key_of(
        ("Dockerfile", "services"), checkout=checkout
    )
    assert not (tmp_path / "copy" / "other").exists()


def test_the_revision_is_the_last_commit_that_changed_an_input(checkout: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
        return subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout.strip()

    assert revision(["services"], checkout) == "unknown"
    git("init", "--quiet")
    git("add", "services", "Dockerfile")
    git("commit", "--quiet", "--message", "inputs")
    inputs = git("rev-parse", "HEAD")
    git("add", "other")
    git("commit", "--quiet", "--message", "something else")

    assert revision(["services"], checkout) == inputs
    (checkout / "services" / "deep" / "a.py").write_text("a = 3\n")
    assert revision(["services"], checkout) == f"{inputs}-dirty"


def test_an_unknown_image_is_refused_with_the_names_that_there_are() -> None:
    there = "capture, connect, git-server, kafka, nats, postgres, rabbitmq, redis, services, ui"
    with pytest.raises(ImagesError, match=f"no image crud; there is {there}"):
        images(["crud"])


def test_base_images_come_after_those_that_they_are_made_from() -> None:
    assert [base.name for base in bases(images(["ui"]))] == ["debian", "python"]
    assert [base.name for base in bases(images([]))] == ["debian", "python", "java"]
