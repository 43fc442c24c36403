"""What an image is made from, as a short key: the same key, the same image."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rowcast_local.paths import CHECKOUT

IGNORED = frozenset({"__pycache__"})


def snapshot(paths: Iterable[str], folder: Path, checkout: Path = CHECKOUT) -> None:
    """Copies the files below `paths` into `folder`: what is built is what its key says, though somebody is editing."""
    for file in _files(set(paths), checkout):
        target = folder / file.relative_to(checkout)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)


def key_of(paths: Iterable[str], more: Iterable[str] = (), checkout: Path = CHECKOUT) -> str:
    """Twelve hexadecimal digits that change with any file below `paths`, its mode, or the texts in `more`."""
    content = hashlib.sha256(repr(tuple(more)).encode())
    for file in sorted(set(_files(paths, checkout))):
        mode = "x" if file.stat().st_mode & 0o100 else "-"
        data = hashlib.sha256(file.read_bytes()).hexdigest()
        content.update(f"\0{file.relative_to(checkout)} {mode} {data}".encode())
    return content.hexdigest()[:12]


def _files(paths: Iterable[str], checkout: Path) -> Iterator[Path]:
    for path in paths:
        start = checkout / path
        if start.is_dir():
            inside = (file for file in start.rglob("*") if file.is_file())
            yield from (file for file in inside if not IGNORED.intersection(file.parts))
        else:
            yield start


def revision(paths: Sequence[str], checkout: Path = CHECKOUT) -> str:
    """The last commit that changed any of these, with `-dirty` if they are changed since; `unknown` without Git.

    Not the checkout's own commit: an image that nothing changed stays the same image.
    """
    commit = _git(checkout, "log", "-1", "--format=%H", "--", *paths)
    if not commit:
        return "unknown"
    return f"{commit}-dirty" if _git(checkout, "status", "--porcelain", "--", *paths) else commit


def _git(checkout: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", checkout, *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
