"""Passwords, tokens and keys of one platform: generated once, kept in its state, readable by its owner alone."""

import dataclasses
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path


def _token() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Credentials:
    """One secret each; hexadecimal, so that none needs quoting in a URL, an SQL string or a shell."""

    postgres_superuser: str = field(default_factory=_token, repr=False)
    database_owner: str = field(default_factory=_token, repr=False)
    database_serving: str = field(default_factory=_token, repr=False)
    replication: str = field(default_factory=_token, repr=False)
    kubernetes_admin: str = field(default_factory=_token, repr=False)
    kubernetes_sync: str = field(default_factory=_token, repr=False)
    kubernetes_gitops: str = field(default_factory=_token, repr=False)
    redis: str = field(default_factory=_token, repr=False)
    git_http: str = field(default_factory=_token, repr=False)
    argocd: str = field(default_factory=_token, repr=False)
    sidecars: str = field(default_factory=_token, repr=False)
    connect: str = field(default_factory=_token, repr=False)
    broker: str = field(default_factory=_token, repr=False)
    erlang: str = field(default_factory=_token, repr=False)


def settle_credentials(file: Path) -> Credentials:
    """The credentials in `file`, made now if there are none; ones that a newer version added are made too."""
    known = {item.name for item in dataclasses.fields(Credentials)}
    before = json.loads(file.read_text()) if file.exists() else {}
    credentials = Credentials(**{name: value for name, value in before.items() if name in known})
    write_private(file, json.dumps(dataclasses.asdict(credentials), indent=1))
    return credentials


def write_private(file: Path, text: str) -> None:
    """Writes `text` whole or not at all, readable by the owner alone."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    draft.rename(file)
