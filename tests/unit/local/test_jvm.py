"""What the lock of Java archives promises, with a resolver of our own in place of jgo."""

import hashlib
from pathlib import Path

import pytest

from rowcast_local.jvm import Artifact, JvmPartsError, folder_name, read_lock, resolve

# Stands in for tools/jvm/fetch.py: same words, but each archive holds its own coordinates.
FETCH = """
import sys
from pathlib import Path
for line in sys.stdin.read().split():
    group, name, version = line.split(":")
    if name == "missing":
        raise SystemExit(f"cannot download {line}")
    target = Path(sys.argv[2], f"{name}-{version}.jar")
    if not target.exists():
        target.write_text(line)
        Path(sys.argv[2]).parent.joinpath("downloads").open("a").write(line + chr(10))
    print(target.name, flush=True)
"""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    folder = tmp_path / "definition"
    folder.mkdir()
    folder.joinpath("fetch.py").write_text(FETCH)
    write_lock(folder, {"org.example:first:1.0": "org.example:first:1.0", "org.example:second:2.0": None})
    return folder


def write_lock(folder: Path, archives: dict[str, str | None]) -> None:
    lines = [f"{coordinates} {sha256(content or coordinates)}" for coordinates, content in archives.items()]
    folder.joinpath("lock.txt").write_text("# a comment\n" + "\n".join(lines) + "\n")


def test_the_class_path_has_the_locked_archives_in_the_order_of_the_lock(tmp_path: Path, definition: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = resolve(
        tmp_path / "cache", jgo=tmp_path, definition=definition, progress=lambda there, all_: seen.append((there, all_))
    )
    assert [archive.name for archive in found.archives] == ["first-1.0.jar", "second-2.0.jar"]
    assert all(archive.is_file() for archive in found.archives)
    assert seen == [(1, 2), (2, 2)]


def test_an_archive_that_is_no_jar_has_its_packaging_in_its_name() -> None:
    assert Artifact("org.example:server:1.0:tar.gz", "").file_name == "server-1.0.tar.gz"


def test_what_is_in_the_cache_is_not_downloaded_again(tmp_path: Path, definition: Path) -> None:
    cache = tmp_path / "cache"
    first = resolve(cache, jgo=tmp_path, definition=definition)
    definition.joinpath("fetch.py").write_text("raise SystemExit('downloaded again')")
    assert resolve(cache, jgo=tmp_path, definition=definition) == first


def test_an_interrupted_run_is_continued_by_the_next(tmp_path: Path, definition: Path) -> None:
    cache = tmp_path / "cache"
    lock = definition / "lock.txt"
    partial = cache / f"{folder_name(read_lock(lock.read_text()))}.partial"
    partial.mkdir(parents=True)
    partial.joinpath("first-1.0.jar").write_text("org.example:first:1.0")
    resolve(cache, jgo=tmp_path, definition=definition)
    assert cache.joinpath("downloads").read_text().split() == ["org.example:second:2.0"]


def test_an_archive_with_other_bytes_is_refused_and_forgotten(tmp_path: Path, definition: Path) -> None:
    cache = tmp_path / "cache"
    write_lock(definition, {"org.example:first:1.0": None, "org.example:second:2.0": "other bytes"})
    with pytest.raises(JvmPartsError, match=r"org\.example:second:2\.0"):
        resolve(cache, jgo=tmp_path, definition=definition)
    assert [each.name for each in cache.glob("*/*.jar")] == ["first-1.0.jar"]
    assert not cache.joinpath(folder_name(read_lock(definition.joinpath("lock.txt").read_text()))).exists()


def test_the_error_of_the_resolver_is_told(tmp_path: Path, definition: Path) -> None:
    write_lock(definition, {"org.example:missing:1.0": None})
    with pytest.raises(JvmPartsError, match=r"cannot download org\.example:missing:1\.0"):
        resolve(tmp_path / "cache", jgo=tmp_path, definition=definition)


def test_another_lock_is_another_folder() -> None:
    one = Artifact("org.example:first:1.0", sha256("a"))
    other = Artifact("org.example:first:1.0", sha256("b"))
    assert folder_name([one]) != folder_name([other])


@pytest.mark.parametrize("line", ["org.example:first:1.0", "org.example:first 0", "a b c"])
def test_a_lock_that_is_no_lock_is_refused(line: str) -> None:
    with pytest.raises(JvmPartsError):
        read_lock(line)


def test_the_lock_of_this_project_can_be_read_and_covers_what_is_wanted() -> None:
    folder = Path(__file__).resolve().parents[3] / "tools" / "jvm"
    locked = {each.coordinates for each in read_lock(folder.joinpath("lock.txt").read_text())}
    wanted = [line for line in folder.joinpath("coordinates.txt").read_text().split("\n") if line and line[0] != "#"]
    assert set(wanted) <= locked
