"""Which Pythons this machine has that Rowcast promises to run on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 11)
HOMES = (".pyenv/versions/*/bin", ".local/share/uv/python/*/bin")
"""Where people's tools keep Pythons that needn't be on $PATH, below the home folder."""
SYSTEM = ("/usr/bin", "/usr/local/bin")
ASK = "import sys; print(*sys.version_info[:3], sys.version_info.releaselevel, sys.executable)"


@dataclass(frozen=True, order=True)
class Interpreter:
    """A released CPython: its version, and the program."""

    version: tuple[int, ...]
    program: Path

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def oldest_and_newest(found: Iterable[Interpreter]) -> list[Interpreter]:
    """The two ends of what is promised, the oldest first; less than two where there are not so many."""
    by_version = {each.version: each for each in sorted(found) if each.version >= OLDEST}
    versions = sorted(by_version)
    return [by_version[version] for version in dict.fromkeys([*versions[:1], *versions[-1:]])]


def interpreters(environment: Mapping[str, str] = os.environ) -> list[Interpreter]:
    """Every Python on $PATH, of the system, and of pyenv and uv."""
    folders = [*map(Path, environment.get("PATH", os.defpath).split(os.pathsep)), *map(Path, SYSTEM)]
    folders += [folder for pattern in HOMES for folder in Path.home().glob(pattern)]
    programs = sorted(
        {
            program
            for folder in dict.fromkeys(folders)
            for program in folder.glob("python3*")
            if program.name.removeprefix("python").replace(".", "").isdecimal() and not _of_an_environment(program)
        }
    )
    return [each for program in programs if (each := _ask(program)) is not None]


def _of_an_environment(program: Path) -> bool:
    return (program.parents[1] / "pyvenv.cfg").exists()


def _ask(program: Path) -> Interpreter | None:
    try:
        said = subprocess.run([program, "-I", "-c", ASK], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    *version, level, executable = said.split(maxsplit=4)
    return Interpreter(tuple(map(int, version)), Path(executable.strip())) if level == "final" else None
