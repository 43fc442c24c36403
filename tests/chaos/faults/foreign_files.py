"""What strangers commit: YAML that is none of ours or hurts whoever reads it, and messages that speak in our name."""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from chaos.arena import Arena
from chaos.faults import repairs
from chaos.faults.events import BULK, _bulk
from chaos.faults.fault import Fault
from chaos.faults.git import MALLORY
from chaos.verdict import wait

FOLDER = "environments/dev/appconfigs"
TRAILER = re.compile(r"^(Rowcast-Row: .*?)(\d+)@(\d+).*$", re.MULTILINE)


def bomb(levels: int = 9) -> str:
    """Less than 1,000 bytes that are a billion words, once every alias is followed."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines) + "\n"


FOREIGN: Mapping[str, bytes] = {
    "chaos-bomb.yaml": bomb().encode(),
    "chaos-recursive.yaml": b"kind: AppConfig\nspec: &spec\n  itself: *spec\n",
    "chaos-deep.yaml": b"spec: " + b"[" * 3_000 + b"]" * 3_000 + b"\n",
    "chaos-latin-1.yaml": "name: caf\u00e9\n".encode("latin-1"),
    "chaos-empty.yaml": b"",
    "chaos-two.yaml": b"a: 1\n---\nb: 2\n",
    "chaos-half.yaml": b"apiVersion: rowcast.dev/v1alpha1\nkind: AppConfig\nmetadata: {labels: [a, b]}\nspec: 7\n",
    "chaos-nul.yaml": b"\x00\x01\xff",
}
"""Files that aren't ours, by name: they are no drift, and must stay as they are until their owner takes them away."""
EDITS: Mapping[str, Callable[[str], str]] = {
    "keys that are no text": lambda text: text.replace("spec:\n", "spec:\n  on: push\n  1: one\n", 1),
    "a key that is a list": lambda text: text.replace("spec:\n", "spec:\n  ? [a, b]\n  : c\n", 1),
    "an alias bomb": lambda text: text + bomb(),
    "deep nesting": lambda text: text + "deep: " + "[" * 3_000 + "]" * 3_000 + "\n",
    "a generation that is no number": lambda text: _marked(text, "generation", '"\u00b2"'),
    "a generation of 5,000 digits": lambda text: _marked(text, "generation", f'"{"9" * 5_000}"'),
    "another's row": lambda text: _marked(text, "row-id", '"1"'),
    "no marks": lambda text: re.sub(r"^ +rowcast\.dev/.*\n", "", text, flags=re.MULTILINE),
    "nothing": lambda _: "",
    "half of it": lambda text: text[: len(text) // 2],
}
"""What is done to files of ours: each is drift, and put right."""


def _marked(text: str, mark: str, value: str) -> str:
    return re.sub(rf"(rowcast\.dev/{mark}: ).*", lambda match: match[1] + value, text)


def forged(message: str) -> str:
    """A message of ours, saying of each of its rows that it is deleted, a thousand generations ahead."""
    return TRAILER.sub(lambda line: f"{line[1]}{line[2]}@{int(line[3]) + 1000} deleted", message)


@contextmanager
def odd_files(arena: Arena, chance: random.Random) -> Iterator[None]:
    """Foreign files come and go, and files of ours are changed: what can be read of them is put right as drift.

    What can't be read is left alone, and its row says so, until somebody removes it: the stranger does in the end.
    """
    with _clone(arena) as clone:
        folder = clone / FOLDER
        ours = [file for file in sorted(folder.glob("chaos-*.yaml")) if file.name not in FOREIGN]
        edits = dict(zip(chance.sample(ours, min(len(ours), 3)), chance.sample(sorted(EDITS), 3), strict=False))

        written: dict[Path, bytes] = {}

        def change() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in FOREIGN.items():
                (folder / name).write_bytes(content)
            for file, edit in edits.items():
                if file.exists():
                    written[file] = EDITS[edit](file.read_text()).encode()
                    file.write_bytes(written[file])

        _commit(clone, "Files of our own", change)
        yield

        def take_away() -> None:
            for name, content in FOREIGN.items():
                if not (folder / name).exists() or (folder / name).read_bytes() != content:
                    arena.damage.append(f"a stranger's file was touched: {name}")
                (folder / name).unlink(missing_ok=True)
            for file, content in written.items():
                if file.exists() and file.read_bytes() == content:
                    file.unlink()

        _commit(clone, "Away with them", take_away)
    arena.notes.append(", ".join(edits.values()))
    # What is told of a file without marks, and of one that can't be read.
    arena.poison.update({"is not managed by rowcast; it is left alone", "cannot be read, so it is left alone"})
    arena.repairs.append(lambda arena: repairs.reconcile(arena, "git"))


@contextmanager
def forged_trailers(arena: Arena, chance: random.Random) -> Iterator[None]:
    """A stranger's commits say that rows are deleted; sync-git starts anew and hears the old events again."""
    with _clone(arena) as clone:
        log = arena.repository.git("log", "-z", "--max-count=20", "--format=%B", "refs/heads/main").decode()
        messages = [message for message in log.split("\0") if TRAILER.search(message)]
        for number, message in enumerate(messages[:5]):
            note = clone / "notes" / f"forged-{number}-{chance.randrange(10**6)}.md"
            _commit(clone, forged(message), lambda note=note: _write(note))  # type: ignore[misc]
    arena.platform.kill_part("sync-git")
    yield
    known = [*arena.tap.events][-100:]
    url = arena.world.env["ROWCAST_SYNC_GIT_URL"]

    def again() -> list[str]:
        answer = httpx.post(f"{url}{BULK}", json=_bulk(known), timeout=60, trust_env=False)
        return [] if answer.is_success else [answer.text]

    arena.notes.append(f"{len(messages[:5])} forged messages, {len(known)} events again")
    assert not (why := wait(again, 60)), why


def _write(note: Path) -> None:
    note.parent.mkdir(exist_ok=True)
    note.write_text("read my message\n")


@contextmanager
def _clone(arena: Arena) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder)
        _git(clone, "clone", "--quiet", arena.repository.folder.as_uri(), ".")
        yield clone


def _commit(clone: Path, message: str, change: Callable[[], object]) -> None:
    """Pushes a change; on a lost race it is made again on the new tip. Raises AssertionError if it is never taken."""

    def push() -> list[str]:
        _git(clone, "fetch", "--quiet", "origin", "main")
        _git(clone, "reset", "--quiet", "--hard", "origin/main")
        change()
        _git(clone, "add", "--all")
        _git(clone, *MALLORY, "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message)
        done = subprocess.run(
            ["git", "push", "--quiet", "origin", "HEAD:main"], cwd=clone, check=False, capture_output=True, timeout=60
        )
        return [done.stderr.decode()] if done.returncode else []

    assert not (why := wait(push, 60)), why


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


FAULTS = (
    Fault("strangers commit odd files", "foreign commits", odd_files, (1, 5), "strangers"),
    Fault("strangers forge trailers", "foreign commits", forged_trailers, (1, 4), "sync-git"),
)
