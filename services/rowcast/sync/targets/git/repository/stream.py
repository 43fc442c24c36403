"""The input of `git fast-import` for one commit (git-fast-import(1), "Input Format")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Commit:
    """What goes into one commit. `parent` None starts a history; times are in seconds since 1970, UTC."""

    parent: str | None
    author: str
    authored_at: int
    committer: str
    committed_at: int
    message: str
    files: Mapping[str, bytes | None]


def commit_stream(ref: str, commit: Commit) -> bytes:
    """A stream that makes the commit, lets `ref` point to it and answers with its hash."""
    return b"".join(_lines(ref, commit))


def _lines(ref: str, commit: Commit) -> Iterator[bytes]:
    if commit.parent is None:
        yield f"reset {ref}\n".encode()
    yield f"commit {ref}\nmark :1\n".encode()
    yield f"author {commit.author} {commit.authored_at} +0000\n".encode(errors="replace")
    yield f"committer {commit.committer} {commit.committed_at} +0000\n".encode(errors="replace")
    yield from _data(commit.message.encode(errors="replace"))
    if commit.parent is not None:
        yield f"from {commit.parent}\n".encode()
    # A folder may take a removed file's place.
    for path, content in commit.files.items():
        if content is None:
            yield b"D " + _quoted(path) + b"\n"
    for path, content in commit.files.items():
        if content is not None:
            yield b"M 100644 inline " + _quoted(path) + b"\n"
            yield from _data(content)
    yield b"get-mark :1\ndone\n"


def _data(content: bytes) -> Iterator[bytes]:
    yield f"data {len(content)}\n".encode()
    yield content
    yield b"\n"


def _quoted(path: str) -> bytes:
    raw = path.encode(errors="surrogateescape")
    if raw.isascii() and path.isprintable() and '"' not in path and "\\" not in path:
        return raw
    return b'"' + b"".join(b"\\%03o" % byte for byte in raw) + b'"'
