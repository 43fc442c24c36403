"""How git logs in at the remote: by files that it reads itself at each use, so that no secret passes through here."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rowcast.core.errors import TransientError
from rowcast.sync.targets.git.settings import GitSettings

_SSH = ("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR")


def variables(settings: GitSettings) -> Mapping[str, str]:
    """What git's processes see of the settings for logging in: names of files, and nothing that is in them."""
    found: dict[str, str] = {}
    if settings.password_file is not None and _by_http(settings):
        found |= _configuration(_helper(settings, settings.password_file))
    if settings.ssh_key is not None or settings.known_hosts is not None:
        found["GIT_SSH_COMMAND"] = shlex.join(["ssh", *_SSH, *_ssh(settings)])
    return found


def readable(settings: GitSettings) -> None:
    """Raises TransientError for the file of a login that can't be read: git would say that it was refused."""
    # A remote by SSH has no password, whatever else is set for it.
    login = (("user's name", settings.username_file), ("password", settings.password_file))
    for what, path in (
        *(login if _by_http(settings) else ()),
        ("SSH key", settings.ssh_key),
        ("known hosts", settings.known_hosts),
    ):
        if path is not None:
            require(path, what)


def _by_http(settings: GitSettings) -> bool:
    return urlsplit(settings.url).scheme in ("http", "https")


def require(path: Path, what: str) -> None:
    """Raises TransientError when a file can't be read. `what` names it."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TransientError(f"the file of the {what} cannot be read: {path}: {error.strerror}") from error


def _helper(settings: GitSettings, password: Path) -> Iterator[tuple[str, str]]:
    """A credential helper (gitcredentials(7)) for the remote's host alone: a redirection elsewhere gets nothing."""
    parts = urlsplit(settings.url)
    host = parts.netloc.rpartition("@")[2]
    name = shlex.quote(settings.username) if settings.username_file is None else _content(settings.username_file)
    words = f"printf 'username=%s\\npassword=%s\\n' {name} {_content(password)}"
    yield "credential.helper", ""
    yield f"credential.{parts.scheme}://{host}.helper", f'!f() {{ test "$1" = get && {{ {words}; }}; }}; f'


def _content(file: Path) -> str:
    """A word of the shell."""
    return f'"$(cat {shlex.quote(str(file))})"'


def _configuration(entries: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Settings by variables (git-config(1), "Environment")."""
    found: dict[str, str] = {}
    for number, (key, value) in enumerate(entries):
        found |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {"GIT_CONFIG_COUNT": str(len(found) // 2), **found}


def _ssh(settings: GitSettings) -> Iterator[str]:
    if settings.ssh_key is not None:
        yield from ("-i", str(settings.ssh_key), "-o", "IdentitiesOnly=yes")
    yield from ("-o", "StrictHostKeyChecking=yes")
    if settings.known_hosts is not None:
        yield from ("-o", f'UserKnownHostsFile="{settings.known_hosts}"', "-o", "GlobalKnownHostsFile=/dev/null")
