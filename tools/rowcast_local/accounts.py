"""PostgreSQL refuses to run as root: which account it runs as instead, and which folders that account can reach."""

import os
import pwd
import stat
from pathlib import Path

from rowcast_local.errors import LocalError
from rowcast_local.paths import short_hash

CANDIDATES = ("postgres", "nobody")
SHARED_BASE = Path("/var/tmp")


class AccountError(LocalError):
    """No account fits; the text says which were looked for."""


def service_account() -> str | None:
    """The account for parts that refuse root, when the caller is root; None when the caller's own will do."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        if _exists(name):
            return name
    raise AccountError(f"PostgreSQL refuses to run as root, and this machine has no account {' or '.join(CANDIDATES)}")


def reachable_folder(base: Path, name: str, user: str | None) -> Path:
    """`base/name`, if `user` may enter every folder above it; else a folder of its own for `base` where it may.

    A `user` of None is the caller, who made `base` and can reach it. Nothing is created.
    """
    if user is None or _may_enter_all(base, user):
        return base / name
    return substitute_folder(base) / name


def substitute_folder(base: Path) -> Path:
    """Where things of `base` are that another account must reach."""
    return SHARED_BASE / f"rowcast-{short_hash(str(base))}"


def own(folder: Path, user: str | None) -> None:
    """Makes `folder` (only that, not what is above or below it) with mode 0700, as `user`'s property."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _may_enter_all(folder: Path, user: str) -> bool:
    account = pwd.getpwnam(user)
    resolved = folder.resolve()
    # A folder that isn't there yet will be made with the caller's umask; judge it by what is there.
    return all(_may_enter(path, account) for path in (resolved, *resolved.parents) if path.exists())


def _may_enter(folder: Path, account: pwd.struct_passwd) -> bool:
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
