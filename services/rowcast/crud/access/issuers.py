"""Whose tokens are believed, as a file says it, and the keys that each issuer signs with."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import httpx
import orjson
import yaml
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rowcast.core.errors import RowcastError, TransientError
from rowcast.core.policy import ANONYMOUS, APP, GROUP, ROLE, SUBJECT
from rowcast.runtime.logging import get_logger
from rowcast.runtime.loopback import is_loopback

Key = RSAKey | ECKey | OKPKey
FRESH_SECONDS = 600.0
"""How long keys are used before they are fetched again: one that an issuer withdraws is believed as long at most."""
PAUSE_SECONDS = 30.0
"""Between two fetches that are not due: tokens of unknown keys make no more than these."""
LIMIT_SECONDS = 5.0
MOST_BYTES = 1024 * 1024
MOST_KEYS = 100
_WELL_KNOWN = "/.well-known/openid-configuration"
_ACCEPTED = "application/json, application/jwk-set+json"
"""The second is a key set's own type (RFC 7517, section 8.5.1): without it a Kubernetes API server answers 406."""
_RESERVED = (ROLE, GROUP, APP, SUBJECT)
_CLAIM = r"^[^\s]{1,200}$"


class IssuersError(RowcastError):
    """The file of issuers can't be used; the text says where and why."""


class IssuerAwayError(TransientError):
    """An issuer's keys are not to be had, so that nothing can be said of a token."""


class Issuer(BaseModel):
    """One that signs tokens (OpenID Connect Discovery 1.0), and how its claims become a person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Annotated[str, Field(max_length=300)]
    """Its URL, which tokens have as `iss`, to the letter."""
    audiences: Annotated[tuple[str, ...], Field(min_length=1)]
    """A token must be for one of these: one that was made for another service is worth nothing here."""
    subject: Annotated[str, Field(pattern=_CLAIM)] = "sub"
    """The claim that names a person in the policy. An `email` must be verified."""
    name: Annotated[str, Field(pattern=_CLAIM)] = "name"
    """The claim that says what to call them; nothing depends on it."""
    groups: Annotated[str, Field(pattern=_CLAIM)] = "groups"
    """The claim with their groups, which the policy calls `group:NAME`."""
    prefix: Annotated[str, Field(max_length=100)] = ""
    """What is put before subjects, so that those of two issuers are not one."""
    groups_prefix: Annotated[str, Field(max_length=100)] = ""
    """The same before groups."""
    jwks_url: str | None = None
    """Where its keys are, if not where its discovery says."""
    ca_file: Path | None = None
    """Certificates of who vouches for its own, instead of the usual ones: `/var/run/secrets/…/ca.crt` of a pod."""
    token_file: Path | None = None
    """A token to ask for its keys with, read anew each time: a cluster's API server may want one."""

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
            return value
        if parts.scheme != "https" or not parts.hostname or parts.username is not None:
            raise ValueError("must be an https URL without a login: who can change what it answers can be anybody")
        return value

    @field_validator("prefix")
    @classmethod
    def _is_of_persons(cls, value: str) -> str:
        if value.startswith(_RESERVED):
            raise ValueError(f"must not begin with {', '.join(_RESERVED)}")
        return value

    @model_validator(mode="after")
    def _has_audiences(self) -> Self:
        if not all(self.audiences):
            raise ValueError("an audience is empty")
        return self

    def is_reserved(self, subject: str) -> bool:
        """Whether a subject has the form of what only the policy or crud gives out."""
        return subject.startswith(_RESERVED) or subject == ANONYMOUS


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    issuers: list[Issuer]


def read_issuers(text: str) -> Sequence[Issuer]:
    """Those of a file's text. Raises IssuersError."""
    try:
        found = _File.model_validate(yaml.safe_load(text)).issuers
    except (yaml.YAMLError, RecursionError) as error:
        raise IssuersError(f"no YAML: {error}") from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
        raise IssuersError(said) from error
    names = [each.issuer for each in found]
    if len(set(names)) < len(names):
        raise IssuersError("an issuer is there twice")
    return found


class IssuerKeys:
    """The keys of one issuer, fetched when they are needed and again now and then; old ones serve in an outage."""

    def __init__(
        self,
        issuer: Issuer,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.issuer = issuer
        self._transport, self._clock = transport, clock
        self._keys: Sequence[Key] | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._fault: str | None = None
        self._fetching = asyncio.Lock()

    @property
    def fault(self) -> str | None:
        """Why the last fetch failed; None if it didn't."""
        return self._fault

    async def fitting(self, kid: str | None, kty: str) -> Sequence[Key]:
        """The keys of a type that may have signed a token: the one of its `kid`, or all if it names none.

        A key that isn't known may be a new one, so keys are fetched once more, at most every PAUSE_SECONDS. Raises
        IssuerAwayError where that can't be done; empty if there is no such key.
        """
        if self._clock() - self._fetched_at > FRESH_SECONDS:
            await self._fetch(self._fetched_at)
        found = self._among(kid, kty)
        if not found:
            await self._fetch(self._fetched_at)
            found = self._among(kid, kty)
        if not found and self._fault is not None:
            known = "; its older keys go on working" if self._keys is not None else ""
            raise IssuerAwayError(f"the issuer {self.issuer.issuer} can't be asked for its keys: {self._fault}{known}")
        return found

    def _among(self, kid: str | None, kty: str) -> Sequence[Key]:
        of_type = [key for key in self._keys or () if key.key_type == kty]
        return of_type if kid is None else [key for key in of_type if key.kid == kid]

    async def _fetch(self, seen: float) -> None:
        async with self._fetching:
            if self._fetched_at > seen or self._clock() - self._tried_at < PAUSE_SECONDS:
                return  # somebody else has, while we waited; or it is too soon
            self._tried_at = self._clock()
            try:
                async with asyncio.timeout(2 * LIMIT_SECONDS):
                    self._keys = await self._ask()
            except (httpx.HTTPError, OSError, ValueError, TimeoutError, JoseError) as error:
                self._fault = str(error) or type(error).__name__
                get_logger("rowcast.access").warning(
                    "an issuer's keys could not be fetched", issuer=self.issuer.issuer, reason=self._fault
                )
                return
            self._fetched_at, self._fault = self._clock(), None

    async def _ask(self) -> Sequence[Key]:
        verify: ssl.SSLContext | bool = True
        if self.issuer.ca_file is not None:
            verify = ssl.create_default_context(cafile=str(self.issuer.ca_file))
        headers = {"accept": _ACCEPTED}
        if self.issuer.token_file is not None:
            headers["authorization"] = f"Bearer {self.issuer.token_file.read_text().strip()}"
        async with httpx.AsyncClient(
            verify=verify, timeout=LIMIT_SECONDS, transport=self._transport, headers=headers
        ) as client:
            url = self.issuer.jwks_url or await self._keys_url(client)
            keys = (await _json(client, url)).get("keys")
        if not isinstance(keys, list):
            raise ValueError(f"{url} has no list of keys")
        return [key for each in keys[:MOST_KEYS] if (key := _key(each)) is not None]

    async def _keys_url(self, client: httpx.AsyncClient) -> str:
        found = await _json(client, self.issuer.issuer.rstrip("/") + _WELL_KNOWN)
        if found.get("issuer") != self.issuer.issuer:
            raise ValueError(f"its discovery is of another issuer, {found.get('issuer')!r}")
        url = found.get("jwks_uri")
        if not isinstance(url, str):
            raise ValueError("its discovery has no jwks_uri")
        Issuer.model_validate({"issuer": self.issuer.issuer, "audiences": ("any",), "jwks_url": url})
        return url


async def _json(client: httpx.AsyncClient, url: str) -> Mapping[str, Any]:
    """Raises httpx.HTTPError, ValueError."""
    async with client.stream("GET", url) as response:
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise ValueError(f"{url} answered {response.status_code}: it may want a token (token_file)")
        if response.status_code != httpx.codes.OK:
            raise ValueError(f"{url} answered {response.status_code}")
        content = b""
        async for part in response.aiter_bytes():
            content += part
            if len(content) > MOST_BYTES:
                raise ValueError(f"{url} answered more than {MOST_BYTES} bytes")
    found = orjson.loads(content)
    if not isinstance(found, dict):
        raise ValueError(f"{url} answered no object")
    return found


def _key(given: Any) -> Key | None:
    """One that verifies signatures; None for any other: a symmetric one is nobody's to publish."""
    kinds = {"RSA", "EC", "OKP"}
    if not isinstance(given, dict) or given.get("kty") not in kinds or given.get("use", "sig") != "sig":
        return None
    try:
        [key] = KeySet.import_key_set({"keys": [given]}).keys
    except (JoseError, ValueError, TypeError, KeyError):
        return None  # of a kind that we don't know; others of the set may be of one
    return key if isinstance(key, RSAKey | ECKey | OKPKey) else None
