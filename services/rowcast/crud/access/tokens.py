"""Bearer tokens (RFC 6750, OpenID Connect Core section 3.1.3.7): who shows one, or why it is worth nothing."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from rowcast.core.errors import RowcastError
from rowcast.core.policy import GROUP, SUBJECT
from rowcast.core.rules import check_user
from rowcast.crud.access.issuers import Issuer, IssuerKeys

LONGEST = 16_384
"""Characters of a token."""
LEEWAY_SECONDS = 60
"""By how much clocks may differ."""
MOST_GROUPS = 200
NAME_LENGTH = 200
_KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""The algorithms that are believed. None is symmetric, so that no public key can be taken for a secret."""


class TokenError(RowcastError):
    """The token is worth nothing; the text says why, and holds nothing of it."""


@dataclass(frozen=True)
class Person:
    """Whom an issuer vouches for. The policy knows them by `subject`, by `sub:ISSUER#SUBJECT`, and by their groups."""

    issuer: str
    subject: str
    name: str
    names: tuple[str, ...]
    is_address: bool
    """Whether the issuer has verified `subject` as an address."""


class Tokens:
    """Judges tokens of the issuers that there are at the time."""

    def __init__(
        self,
        issuers: Callable[[], Sequence[Issuer]],
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuers, self._transport, self._clock = issuers, transport, clock
        self._seen: Sequence[Issuer] = ()
        self._keys: Mapping[str, IssuerKeys] = {}

    @property
    def issuers(self) -> Mapping[str, IssuerKeys]:
        """Their keys, by issuer. One that is as it was keeps those that it has: it may be away."""
        found = self._issuers()
        if found is not self._seen:
            self._keys = {each.issuer: self._keys_of(each) for each in found}
            self._seen = found
        return self._keys

    def _keys_of(self, issuer: Issuer) -> IssuerKeys:
        before = self._keys.get(issuer.issuer)
        return before if before and before.issuer == issuer else IssuerKeys(issuer, self._transport)

    async def person(self, token: str) -> Person:
        """Who shows it. Raises TokenError, and IssuerAwayError where nothing can be said."""
        issuers = self.issuers
        if not issuers:
            raise TokenError("no issuer of tokens is configured (ROWCAST_ISSUERS)")
        if len(token) > LONGEST:
            raise TokenError(f"the token has more than {LONGEST} characters")
        header, claims = _unverified(token)
        keys = issuers.get(_text(claims.get("iss")))
        if keys is None:
            raise TokenError("the token is of an issuer that is not configured")
        algorithm = _text(header.get("alg"))
        kind = _KEY_TYPES.get(algorithm)
        if kind is None:
            raise TokenError("the token's algorithm is not an asymmetric one that is believed")
        if "crit" in header:
            raise TokenError("the token has critical headers, which are not understood")
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise TokenError("the token's kid is no text")
        fitting = await keys.fitting(kid, kind)
        if not fitting:
            raise TokenError("the token's key is none of its issuer's")
        for key in fitting:
            try:
                claims = jwt.decode(token, key, algorithms=[algorithm]).claims
            except (JoseError, ValueError, TypeError):
                continue
            self._check(claims, keys.issuer)
            return _person(claims, keys.issuer)
        raise TokenError("the token's signature is not its issuer's")

    def _check(self, claims: Mapping[str, Any], issuer: Issuer) -> None:
        now = self._clock()
        if claims.get("iss") != issuer.issuer:
            raise TokenError("the token is of another issuer")
        audiences = claims.get("aud")
        given = [audiences] if isinstance(audiences, str) else audiences
        if not isinstance(given, list) or not any(each in issuer.audiences for each in given if isinstance(each, str)):
            raise TokenError(f"the token is not for {' or '.join(issuer.audiences)}")
        expires = _moment(claims, "exp")
        if expires is None:
            raise TokenError("the token never expires")
        if now >= expires + LEEWAY_SECONDS:
            raise TokenError("the token has expired")
        for name in ("nbf", "iat"):
            begins = _moment(claims, name)
            if begins is not None and now < begins - LEEWAY_SECONDS:
                raise TokenError("the token is not valid yet")


def _unverified(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What a token says of itself, which nobody has vouched for yet. Raises TokenError."""
    try:
        parts = extract_compact(token.encode("ascii"))
        header, claims = parts.headers(), orjson.loads(parts.payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise TokenError("the token is no signed JSON Web Token") from None
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise TokenError("the token is no signed JSON Web Token")
    return header, claims


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenError(f"the token's {name} is no time")
    return value


def _person(claims: Mapping[str, Any], issuer: Issuer) -> Person:
    sub, named = _text(claims.get("sub")), _text(claims.get(issuer.subject))
    if not named:
        raise TokenError(f"the token has no claim {issuer.subject}, which names who shows it")
    is_address = issuer.subject == "email"
    if is_address and claims.get("email_verified") is not True:
        raise TokenError("the token's address is not verified by its issuer (email_verified)")
    subject = issuer.prefix + named
    if issuer.is_reserved(subject):
        raise TokenError("the token's subject has the form of a role, a group or an application")
    if check_user(subject) is not None or subject != subject.strip():
        raise TokenError("the token's subject is no printable text of at most 200 characters")
    groups = claims.get(issuer.groups)
    given = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    if len(given) > MOST_GROUPS:
        raise TokenError(f"the token has more than {MOST_GROUPS} groups")
    held = [f"{GROUP}{issuer.groups_prefix}{each}" for each in given if isinstance(each, str) and each.strip()]
    full = [f"{SUBJECT}{issuer.issuer}#{sub}"] if sub else []
    shown = _text(claims.get(issuer.name))[:NAME_LENGTH]
    name = shown if shown.isprintable() and shown else subject
    return Person(issuer.issuer, subject, name, (subject, *full, *dict.fromkeys(held)), is_address)


def _text(claim: object) -> str:
    return claim if isinstance(claim, str) else ""
