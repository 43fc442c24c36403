"""Which addresses of repositories and of forges a setting may have. Pure.

Settings are shown, logged and handed to processes, so no secret belongs into one; and git takes more for an address
than a place to push to: a program to run, an option.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

SCHEMES = ("https", "http", "ssh", "git", "file")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = r"(?!-)[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]"
_AUTHORITY = re.compile(rf"(?:(?P<user>[^@]*)@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}})?)?")
_SCP_LIKE = re.compile(rf"(?:(?P<user>(?!-)[A-Za-z0-9._-]+)@)?(?:{_HOST}):(?P<path>(?!:)[^-].*)")
_RELATIVE = re.compile(r"(?!-)[A-Za-z0-9._/-]+")
"""Harmless: git looks for it below the root folder, and says that there is none."""
_USER = re.compile(r"(?!-)[A-Za-z0-9._+-]+")
LOGIN = (
    "it must not have a login in it: set ROWCAST_GIT_USERNAME or ROWCAST_GIT_USERNAME_FILE,"
    " and ROWCAST_GIT_PASSWORD_FILE"
)


def check_remote(url: str) -> str:
    """The address of a repository that git may push to. Raises ValueError, whose words don't repeat the address."""
    if not url.isprintable() or url != url.strip() or " " in url:
        raise ValueError("it must not have blanks or control characters in it")
    if url.startswith("/") or _RELATIVE.fullmatch(url):
        return url
    match = _SCHEME.match(url)
    if match is None:
        return _scp_like(url)
    scheme = match[1]
    if scheme not in SCHEMES:
        raise ValueError(f"it must be an absolute path, user@host:path, or a URL with {', '.join(SCHEMES)}")
    authority, _, path = url[match.end() :].partition("/")
    if scheme == "file":
        if authority not in ("", "localhost"):
            raise ValueError("a file's URL has three slashes and no host")
        return url
    _check_authority(scheme, authority)
    if scheme in ("http", "https"):
        _without_query(url)
    if path.startswith("-"):
        raise ValueError("its path must not begin with '-'")
    return url


def check_api(url: str) -> str:
    """The base of a forge's API. Raises ValueError, whose words don't repeat the address."""
    if not url.isprintable() or " " in url:
        raise ValueError("it must not have blanks or control characters in it")
    _, _, rest = url.partition("://")
    if "@" in rest.partition("/")[0]:
        raise ValueError("it must not have a login in it: put the token into the file of ROWCAST_GIT_FORGE_TOKEN_FILE")
    _without_query(url)
    return url


def _check_authority(scheme: str, authority: str) -> None:
    user, at, host = authority.rpartition("@")
    if at and scheme in ("http", "https", "git"):
        raise ValueError(LOGIN)
    if at and ":" in unquote(user):
        raise ValueError("it must not have a password in it: set ROWCAST_GIT_SSH_KEY")
    if at and not _USER.fullmatch(user):
        raise ValueError("its user's name must be a plain word")
    match = _AUTHORITY.fullmatch(host)
    if match is None or int(match["port"] or 0) > 65535:
        raise ValueError("it must name a host")


def _scp_like(url: str) -> str:
    if "::" in url.partition("/")[0]:
        raise ValueError("git's transport helpers (name::address) run programs and are not used")
    match = _SCP_LIKE.fullmatch(url)
    if match is None or url.startswith("-"):
        raise ValueError(f"it must be an absolute path, user@host:path, or a URL with {', '.join(SCHEMES)}")
    if "@" in match["path"].partition("/")[0]:
        raise ValueError("it must not have a password in it: set ROWCAST_GIT_SSH_KEY")
    return url


def _without_query(url: str) -> None:
    parts = urlsplit(url)
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("it must not have a query or a fragment: a token there would be shown and logged")
