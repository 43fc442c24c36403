"""Which bearer tokens are believed; keys and tokens are made here as an issuer would, and as an attacker would."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from pydantic import ValidationError

from rowcast.crud.access import issuers
from rowcast.crud.access.issuers import Issuer, IssuerAwayError
from rowcast.crud.access.tokens import Person, TokenError, Tokens

URL = "https://issuer.example"
OTHER = "https://other.example"
RSA = RSAKey.generate_key(2048, {"kid": "one"})
EC = ECKey.generate_key("P-256", {"kid": "two"})
STRANGE = RSAKey.generate_key(2048, {"kid": "one"})


class Away:
    """Issuers that answer, as long as they are there, and how often they were asked for keys."""

    def __init__(self, *keys: Any) -> None:
        self.keys, self.there, self.asked = list(keys), True, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.there:
            raise httpx.ConnectError("nobody is at home")
        base = f"https://{request.url.host}"
        if request.url.path.endswith("openid-configuration"):
            return httpx.Response(200, json={"issuer": base, "jwks_uri": f"{base}/keys"})
        self.asked += 1
        if "application/jwk-set+json" not in request.headers["accept"]:  # as a Kubernetes API server does
            return httpx.Response(406)
        return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})


def tokens(answers: Away, **other: Any) -> Tokens:
    given = [
        Issuer.model_validate({"issuer": url, "audiences": ["rowcast"], "subject": "email", **other})
        for url in (URL, OTHER)
    ]
    return Tokens(lambda: given, httpx.MockTransport(answers))


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    base = {"iss": URL, "aud": "rowcast", "sub": "7", "exp": now + 300, "iat": now, "groups": ["team"], "name": "Ada"}
    return {name: value for name, value in {**base, **PERSON, **other}.items() if value is not None}


PERSON = {"email": "ada@example.com", "email_verified": True}


def signed(key: Any = RSA, header: dict[str, Any] | None = None, **other: Any) -> str:
    algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
    return jwt.encode({"alg": algorithm, "kid": key.kid, **(header or {})}, claims(**other), key)


def judged(of: Tokens, token: str) -> Person:
    return asyncio.run(of.person(token))


def test_a_good_token_names_a_person_by_all_their_names() -> None:
    for key in (RSA, EC):
        person = judged(tokens(Away(RSA, EC)), signed(key))
        assert (person.subject, person.name, person.is_address) == ("ada@example.com", "Ada", True)
        assert person.names == ("ada@example.com", f"sub:{URL}#7", "group:team")


def _unsigned(header: dict[str, Any], secret: bytes | None = None) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims())]
    digest = hmac.new(secret, b".".join(parts), hashlib.sha256).digest() if secret is not None else b""
    return b".".join([*parts, base64.urlsafe_b64encode(digest).rstrip(b"=")]).decode()


# made when each is judged: a run of all tests takes longer than a token is good for
BAD: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: signed(exp=int(time.time()) - 120), "expired"),
    "never expires": (lambda: signed(exp=None), "never expires"),
    "expires as a text": (lambda: signed(exp="tomorrow"), "exp is no time"),
    "not valid yet": (lambda: signed(nbf=int(time.time()) + 3600), "not valid yet"),
    "from the future": (lambda: signed(iat=int(time.time()) + 3600), "not valid yet"),
    "for another service": (lambda: signed(aud="argocd"), "not for rowcast"),
    "for nobody": (lambda: signed(aud=None), "not for rowcast"),
    "for others": (lambda: signed(aud=["argocd", "x"]), "not for rowcast"),
    "of an issuer that isn't known": (lambda: signed(iss="https://evil.example"), "not configured"),
    "of an issuer by another spelling": (lambda: signed(iss=f"{URL}/"), "not configured"),
    "of a stranger's key": (lambda: signed(STRANGE), "signature"),
    "of a key that isn't the issuer's": (lambda: signed(STRANGE, {"kid": "three"}), "key is none of"),
    "of another type of key": (lambda: signed(EC, {"kid": "one"}), "key is none of"),
    "none": (lambda: _unsigned({"alg": "none"}), "algorithm"),
    "None": (lambda: _unsigned({"alg": "None", "kid": "one"}), "algorithm"),
    "signed by the public key": (lambda: _unsigned({"alg": "HS256"}, RSA.as_pem(private=False)), "algorithm"),
    "its own key in the header": (lambda: signed(STRANGE, {"jwk": STRANGE.as_dict(private=False)}), "signature|signed"),
    "an address that nobody verified": (lambda: signed(email_verified="true"), "not verified"),
    "no address": (lambda: signed(email=None), "no claim email"),
    "a role's name": (lambda: signed(email="role:admin"), "form of a role"),
    "no token": (lambda: "abc", "no signed JSON Web Token"),
    "too long": (lambda: signed(filler="x" * 20_000), "more than 16384"),
    "a kid that is no text": (lambda: _unsigned({"alg": "RS256", "kid": 1}), "kid is no text"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_token_is_refused_with_the_reason(what: str) -> None:
    token, said = BAD[what]
    with pytest.raises(TokenError, match=said):
        judged(tokens(Away(RSA, EC)), token())


def test_a_key_of_one_issuer_signs_nothing_of_another() -> None:
    answers = Away(RSA)

    def of_each(request: httpx.Request) -> httpx.Response:
        answers.keys = [RSA] if request.url.host == "issuer.example" else [STRANGE]
        return answers(request)

    given = tokens(answers)
    for keys in given.issuers.values():
        keys._transport = httpx.MockTransport(of_each)
    with pytest.raises(TokenError, match="signature"):
        judged(given, signed(RSA, iss=OTHER))


def test_keys_that_are_known_go_on_in_an_outage_and_new_ones_say_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, moment = Away(RSA), [0.0]
    given = tokens(answers)
    given.issuers[URL]._clock = lambda: moment[0]

    async def story() -> None:
        assert (await given.person(signed())).subject == "ada@example.com"
        answers.there = False
        moment[0] += issuers.FRESH_SECONDS + 1
        assert (await given.person(signed())).subject == "ada@example.com"
        with pytest.raises(IssuerAwayError, match="nobody is at home; its older keys go on working"):
            await given.person(signed(EC))
        answers.there, answers.keys = True, [EC]
        moment[0] += issuers.PAUSE_SECONDS + 1
        assert (await given.person(signed(EC))).subject == "ada@example.com"
        with pytest.raises(TokenError, match="key is none of"):  # which the issuer has withdrawn
            await given.person(signed(RSA))

    asyncio.run(story())


def test_tokens_of_keys_that_are_unknown_make_few_requests() -> None:
    answers = Away(RSA)
    given = tokens(answers)

    async def story() -> None:
        for _ in range(20):
            with pytest.raises(TokenError):
                await given.person(signed(EC))

    asyncio.run(story())
    assert answers.asked == 1


def test_a_claim_of_ci_is_a_subject_with_its_prefix() -> None:
    given = tokens(Away(RSA), subject="repository", prefix="ci:", groups="ref", groups_prefix="ref:")
    person = judged(given, signed(repository="acme/shop", ref="main"))
    assert person.names == ("ci:acme/shop", f"sub:{URL}#7", "group:ref:main")
    assert not person.is_address


def test_issuers_change_and_one_that_stays_keeps_its_keys() -> None:
    answers = Away(RSA)
    there = [[Issuer.model_validate({"issuer": url, "audiences": ["rowcast"]}) for url in (URL, OTHER)]]
    given = Tokens(lambda: there[0], httpx.MockTransport(answers))

    async def story() -> None:
        assert (await given.person(signed())).subject == "7"
        answers.there = False
        there[0] = there[0][:1]
        assert (await given.person(signed())).subject == "7"
        with pytest.raises(TokenError, match="not configured"):
            await given.person(signed(iss=OTHER))
        there[0] = [Issuer.model_validate({"issuer": URL, "audiences": ["another"]})]
        with pytest.raises(IssuerAwayError):  # another one by the same name: what was fetched before is not its own
            await given.person(signed())

    asyncio.run(story())


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://issuer.example"},
        {"issuer": "https://a:b@issuer.example"},
        {"audiences": []},
        {"audiences": [""]},
        {"prefix": "role:"},
        {"jwks_url": "http://elsewhere.example/keys"},
        {"audience": "x"},
    ],
)
def test_an_issuer_that_can_be_anybody_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Issuer.model_validate({"issuer": URL, "audiences": ["rowcast"], **wrong})
