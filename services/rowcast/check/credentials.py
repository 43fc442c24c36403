"""Which token goes with a request: from the environment, from a login that is kept, or the pod's own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rowcast.check.oidc import Issuer, LoginError, is_safe

POD_TOKEN = Path("/var/run/secrets/rowcast/token")
"""Where a pod has a service account's token that is meant for Rowcast (a projected volume with its audience).

The pod's usual one is for the API server of Kubernetes, and is sent nowhere unless ROWCAST_TOKEN_FILE names it.
"""
_EARLY = 60.0
"""Seconds before its end at which a token is refreshed: it has to outlive the request."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token, and where it came from, for people."""

    token: str
    source: str


def bearer(url: str, environment: Mapping[str, str]) -> Bearer | None:
    """The token for a crud at this URL; None without any. Raises LoginError and TransientError."""
    found = _given(environment) or _logged_in(url, environment) or _of_pod(environment)
    if found is not None and not is_safe(url):
        raise LoginError(f"a token would go to {url} in the clear: use https")
    return found


def _given(environment: Mapping[str, str]) -> Bearer | None:
    if token := environment.get("ROWCAST_TOKEN", "").strip():
        return Bearer(token, "ROWCAST_TOKEN")
    if name := environment.get("ROWCAST_TOKEN_FILE"):
        return _of_file(Path(name), f"ROWCAST_TOKEN_FILE ({name})")
    return None


def _of_pod(environment: Mapping[str, str]) -> Bearer | None:
    path = Path(environment.get("ROWCAST_POD_TOKEN") or POD_TOKEN)
    return _of_file(path, f"the pod's service account ({path})") if path.exists() else None


def _of_file(path: Path, source: str) -> Bearer:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LoginError(f"{source} cannot be read: {error}") from error
    if not token:
        raise LoginError(f"{source} is empty")
    return Bearer(token, source)


def _logged_in(url: str, environment: Mapping[str, str]) -> Bearer | None:
    login = logins(environment)["logins"].get(url.rstrip("/"))
    if login is None:
        return None
    source = f"the login at {login['issuer']}"
    if not _expires(login):
        return Bearer(_chosen(login), source)
    with _locked(environment):
        # Another command may have refreshed it, and a refresh token may be good for one time only.
        kept = logins(environment)
        login = kept["logins"].get(url.rstrip("/"), login)
        if _expires(login):
            login["token"] = Issuer(login["issuer"], login["client_id"]).refresh(login["token"])
            kept["logins"][url.rstrip("/")] = login
            _write(environment, kept)
    return Bearer(_chosen(login), source)


def _chosen(login: Mapping[str, Any]) -> str:
    token = login["token"]
    return str(token.get(login.get("use", "access_token")) or token["access_token"])


def _expires(login: Mapping[str, Any]) -> bool:
    expires_at = login["token"].get("expires_at")
    return expires_at is not None and float(expires_at) - _EARLY < time.time()


def keep(url: str, login: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """Keep a login: `issuer`, `client_id`, `token`, and which of its tokens to `use`. Its server is the current one."""
    with _locked(environment):
        kept = logins(environment)
        kept["logins"][url.rstrip("/")] = dict(login)
        kept["current"] = url.rstrip("/")
        _write(environment, kept)


def forget(url: str | None, environment: Mapping[str, str]) -> list[str]:
    """Forget a server's login, or all; the servers that there was one of."""
    with _locked(environment):
        kept = logins(environment)
        gone = [known for known in kept["logins"] if url is None or known == url.rstrip("/")]
        for known in gone:
            del kept["logins"][known]
        if kept["current"] in gone:
            kept["current"] = None
        _write(environment, kept)
    return gone


def logins(environment: Mapping[str, str]) -> dict[str, Any]:
    """What is kept: the `current` server, and by server its login. Raises LoginError."""
    path = _path(environment)
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {"current": None, "logins": {}}
    except (OSError, ValueError) as error:
        raise LoginError(f"{path} cannot be read ({error}): remove it, and run `rowcast login`") from error
    return {"current": content.get("current"), "logins": dict(content.get("logins") or {})}


def _path(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
    return Path(home) / "rowcast" / "logins.json"


@contextlib.contextmanager
def _locked(environment: Mapping[str, str]) -> Iterator[None]:
    path = _path(environment)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise LoginError(f"logins cannot be kept in {path.parent}: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(environment: Mapping[str, str], content: Mapping[str, Any]) -> None:
    path = _path(environment)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(content, file, indent=2)
    new.replace(path)
