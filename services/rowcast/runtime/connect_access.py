"""How Kafka Connect's REST interface is logged in to; one's own Connect may want no login."""

from collections.abc import Generator
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings

from rowcast.core.errors import RowcastError
from rowcast.runtime.settings import Settings


class ConnectAccess(BaseSettings):
    """The login, from the environment. Raises ValidationError for a part of one."""

    model_config = Settings.model_config

    connect_username: str | None = None
    """Whom Kafka Connect's REST interface lets in; without it crud and `rowcast connector` show no login."""
    connect_password: SecretStr | None = None
    """That user's password."""
    connect_password_file: Path | None = None
    """A file with that password instead, read at every request."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        passwords = [given for given in (self.connect_password, self.connect_password_file) if given is not None]
        if len(passwords) != (0 if self.connect_username is None else 1):
            raise ValueError(
                "ROWCAST_CONNECT_USERNAME and either ROWCAST_CONNECT_PASSWORD or ROWCAST_CONNECT_PASSWORD_FILE"
                " belong together"
            )
        return self

    @property
    def connect_login(self) -> httpx.Auth | None:
        """What an httpx client takes as `auth`."""
        if self.connect_username is None:
            return None
        if self.connect_password is not None:
            return httpx.BasicAuth(self.connect_username, self.connect_password.get_secret_value())
        return _LoginByFile(self.connect_username, self.connect_password_file) if self.connect_password_file else None


class _LoginByFile(httpx.Auth):
    def __init__(self, username: str, file: Path) -> None:
        self._username = username
        self._file = file

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        try:
            password = self._file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            # It may be there again in a moment, as a connection may.
            why = getattr(error, "strerror", None) or "it is no text"
            raise httpx.TransportError(f"ROWCAST_CONNECT_PASSWORD_FILE: {why}", request=request) from error
        yield from httpx.BasicAuth(self._username, password).auth_flow(request)


class ConnectAccessError(RowcastError):
    """The way to Connect that was asked for can't be meant. The text names the variable and no value."""


def read_connect_access() -> ConnectAccess:
    """The environment's login. Raises ConnectAccessError."""
    try:
        return ConnectAccess()
    except ValidationError as error:
        raise ConnectAccessError("; ".join(each["msg"] for each in error.errors())) from None


def without_login(url: str) -> str:
    """The URL, if no login is in it: URLs are logged and shown. Raises ValueError."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("must be a URL such as http://connect:8083") from None
    if "@" in parts.netloc:
        raise ValueError("must not have a login in it: set ROWCAST_CONNECT_USERNAME and ROWCAST_CONNECT_PASSWORD")
    return url
