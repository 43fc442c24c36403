"""What git said, in one line, and what a person has to do about it. Words only: nothing is decided by them."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_NOISE = re.compile(r"^(warning: |hint: |remote: *$|To |@+$|$)")
_ADVICE = (
    (
        r"host key verification failed|host key is known for|host key .* has changed",
        "the server's key is not the one in the known hosts: make sure that it is the right one, and put it there",
    ),
    (
        r"bad permissions|unprotected private key|invalid format|error in libcrypto",
        "SSH does not take the key file: it has to be a private key that nobody else may read",
    ),
    (
        r"permission denied \(",
        "the server does not take our SSH key: let its public half in there, with the right to write, or put another",
    ),
    (
        r"authentication failed|could not read (username|password)|error: 401|invalid (username|credentials)",
        "the login is wrong or has expired: put a new password or token in its file, it is taken up by itself",
    ),
    (
        r"error: 403|write access .* not granted|permission to .* denied",
        "the login may not write to the repository: give it the right to",
    ),
    (
        r"gh006|protected branch|not allowed to push|branch is protected",
        "the branch is protected: let Rowcast's user push to it, or deliver to another branch",
    ),
    (r"no space left|disk quota|disk full", "a disk is full: make room there, it goes on by itself"),
    (r"ssl certificate|server certificate", "the server's certificate is not trusted: give the CA that has signed it"),
    (r"hook declined", "a hook of the remote refuses the push: satisfy it, or change it"),
)
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), advice) for pattern, advice in _ADVICE)


def told(output: str) -> str:
    """The line that says most of what git has written, without credentials, and the advice; empty for nothing."""
    lines = [line.strip() for line in output.splitlines() if not _NOISE.match(line)]
    if not lines:
        return ""
    for pattern, advice in _PATTERNS:
        for line in lines:
            if pattern.search(line):
                return f"{_plain(_said(line, lines))} ({advice})"
    return _plain(lines[0])


def _said(line: str, lines: list[str]) -> str:
    """A hook's own words are worth more than that it declined."""
    return lines[0] if "hook declined" in line else line


def _plain(line: str) -> str:
    return _USERINFO.sub("***@", line)
