"""Kafka, Kafka Connect and Debezium as a folder of Java archives, exactly those of `tools/jvm/lock.txt`."""

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEFINITION = Path(__file__).resolve().parents[1] / "jvm"
Progress = Callable[[int, int], None]


class JvmPartsError(Exception):
    """The archives could not be had, or are not the locked ones. The text says which and why."""


@dataclass(frozen=True)
class Artifact:
    """One locked archive: `group:artifact:version`, `…:packaging` if it is no jar, and its SHA-256 in hexadecimal."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the folder that it is downloaded to."""
        _, name, version, *packaging = self.coordinates.split(":")
        return f"{name}-{version}.{packaging[0] if packaging else 'jar'}"


@dataclass(frozen=True)
class ClassPath:
    """The archives in a fixed order, all in `folder`."""

    folder: Path
    archives: tuple[Path, ...]

    @property
    def argument(self) -> str:
        """What Java's `-cp` takes."""
        return os.pathsep.join(str(archive) for archive in self.archives)


def read_lock(text: str) -> tuple[Artifact, ...]:
    """Lines `group:artifact:version sha256`; `#` begins a comment line. Raises JvmPartsError for any other line."""
    artifacts = []
    for line in _entries(text):
        fields = line.split()
        if len(fields) != 2 or fields[0].count(":") != 2 or len(fields[1]) != 64:
            raise JvmPartsError(f"not a line of a lock of archives: {line}")
        artifacts.append(Artifact(*fields))
    return tuple(artifacts)


def folder_name(artifacts: Sequence[Artifact]) -> str:
    """`jvm-<hash>`: another lock is another folder, so checkouts of different age share one cache."""
    content = "\n".join(f"{each.coordinates} {each.sha256}" for each in artifacts)
    return f"jvm-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def resolve(cache: Path, *, jgo: Path, definition: Path = DEFINITION, progress: Progress | None = None) -> ClassPath:
    """Returns the class path of the locked archives, downloading those that the cache lacks.

    `jgo` is the folder that holds the installed resolver; `progress` is called with (archives there, archives wanted).
    What an interrupted run left is used by the next; of two runs at once, one downloads and the other waits.
    Raises JvmPartsError if an archive cannot be had or is not the locked one.
    """
    artifacts = read_lock((definition / "lock.txt").read_text())
    folder = cache / folder_name(artifacts)
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_suffix(".lock")):
            if not folder.exists():
                fill(folder, artifacts, jgo=jgo, definition=definition, progress=progress)
    return locked_class_path(folder, definition)


def locked_class_path(folder: Path, definition: Path = DEFINITION) -> ClassPath:
    """The class path of the locked archives, which `folder` holds already."""
    artifacts = read_lock((definition / "lock.txt").read_text())
    return ClassPath(folder, tuple(folder / each.file_name for each in artifacts))


def fill(
    folder: Path,
    artifacts: Sequence[Artifact],
    *,
    jgo: Path,
    definition: Path = DEFINITION,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Downloads locked archives into `folder`, which is there once all of them are; `environment` is the resolver's.

    Raises JvmPartsError.
    """
    partial = folder.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    coordinates = [each.coordinates for each in artifacts]
    command = ["download", str(partial)]
    for there, _ in enumerate(_fetch(jgo, definition, command, coordinates, environment), start=1):
        if progress:
            progress(there, len(artifacts))
    _verify(partial, artifacts)
    partial.rename(folder)


def _verify(folder: Path, artifacts: Sequence[Artifact]) -> None:
    wrong = [each for each in artifacts if _sha256(folder / each.file_name) != each.sha256]
    for each in wrong:
        (folder / each.file_name).unlink()
    if wrong:
        raise JvmPartsError(f"not the locked bytes: {', '.join(each.coordinates for each in wrong)}")


def lock(*, jgo: Path, definition: Path = DEFINITION) -> tuple[Artifact, ...]:
    """Resolves `coordinates.txt` anew, downloads the result, writes `lock.txt` and returns what is in it."""
    wanted = _entries((definition / "coordinates.txt").read_text())
    coordinates = list(_fetch(jgo, definition, ["resolve"], wanted))
    with tempfile.TemporaryDirectory() as scratch:
        list(_fetch(jgo, definition, ["download", scratch], coordinates))
        unhashed = [Artifact(each, "") for each in coordinates]
        artifacts = tuple(Artifact(each.coordinates, _sha256(Path(scratch, each.file_name))) for each in unhashed)
    head = "# Made by `python -m rowcast_local.jvm lock` from coordinates.txt. Each line: an archive and its SHA-256."
    lines = [f"{each.coordinates} {each.sha256}" for each in artifacts]
    (definition / "lock.txt").write_text("\n".join([head, *lines, ""]))
    return artifacts


def _fetch(
    jgo: Path,
    definition: Path,
    arguments: list[str],
    lines: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    command = [sys.executable, str(definition / "fetch.py"), *arguments]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {}), "PYTHONPATH": str(jgo)},
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write("\n".join(lines))
            process.stdin.close()
            for line in process.stdout:
                yield line.strip()
        except BaseException:
            process.terminate()
            raise
        if process.wait() != 0:
            errors.seek(0)
            last = errors.read().strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
            raise JvmPartsError(last[0])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _entries(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """The command line: renew the lock, or obtain what it says."""
    parser = argparse.ArgumentParser(prog="python -m rowcast_local.jvm")
    parser.add_argument("action", choices=["lock", "resolve"])
    parser.add_argument("--jgo", type=Path, required=True, help="folder that jgo is installed in")
    parser.add_argument("--cache", type=Path, default=Path("."), help="for resolve: where the archives go")
    options = parser.parse_args()
    if options.action == "lock":
        print(f"{len(lock(jgo=options.jgo))} archives locked")
    else:
        print(resolve(options.cache, jgo=options.jgo).folder)


if __name__ == "__main__":
    main()
