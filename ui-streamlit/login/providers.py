"""Whether a login is expected, and whether what it needs is there: pure, from a setting and Streamlit's secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from login.identity import issuer_of

SETTING: Final = "ROWCAST_LOGIN"
REQUIRED, NONE = "required", "none"
DEFAULT: Final = "default"
"""How Streamlit calls the provider that has no section of its own."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"
SHARED_KEYS: Final = ("redirect_uri", "cookie_secret")
PROVIDER_KEYS: Final = ("client_id", "client_secret", "server_metadata_url")
# Tables of [auth] that are no providers.
NO_PROVIDERS: Final = ("client_kwargs",)
SHORTEST_SECRET: Final = 16
HOURS: Final = "ROWCAST_LOGIN_HOURS"
USUAL_HOURS: Final = 24.0
"""What a login says of groups is as old as the login."""


@dataclass(frozen=True)
class Login:
    """What the dashboard knows of its login.

    `providers` are the names of those to log in at, each with its issuer. With a `complaint` nobody gets in.
    """

    expected: bool = False
    providers: Mapping[str, str] = field(default_factory=dict)
    complaint: str | None = None
    hours: float = USUAL_HOURS
    """How long a login counts; 0 for as long as its cookie."""

    @property
    def several(self) -> bool:
        """Whether an address or a group may come from more than one provider."""
        return len(self.providers) > 1

    def objection(self, claims: Mapping[str, Any], now: datetime) -> str | None:
        """Return why a login with these claims doesn't count at a moment, in a sentence, or None if it does.

        A login is a signed cookie that outlives the provider's configuration (Streamlit: 30 days).
        """
        provider = claims.get("provider", None if self.several else next(iter(self.providers), None))
        if not isinstance(provider, str) or provider not in self.providers:
            return "Your login is by a provider that is not configured any more."
        said, wanted = claims.get("iss"), self.providers[provider]
        issuer = issuer_of(said) if isinstance(said, str) else ""
        if wanted and issuer != wanted:
            return f"Your login's issuer is {issuer or 'not named'}; the one of this provider is {wanted}."
        made = claims.get("iat")
        old = not isinstance(made, (int, float)) or now.timestamp() - made > self.hours * 3600
        return f"A login counts for {self.hours:g} hours ({HOURS}), and yours is older." if self.hours and old else None


def judge(
    setting: str, secrets: Mapping[str, Any] | None, trouble: str | None, *, there: bool, hours: str = ""
) -> Login:
    """Return what the login is.

    `setting` is what ROWCAST_LOGIN says, `hours` what ROWCAST_LOGIN_HOURS does, `secrets` the content of Streamlit's
    secrets or None where they could not be read, `trouble` why not, and `there` whether a file of secrets is, or was
    since the start, at one of the places where Streamlit looks, or is named by a setting. Whoever puts one there
    expects a login, unless they say `none`.
    """
    setting = setting.strip().casefold()
    if setting not in ("", REQUIRED, NONE):
        return Login(True, complaint=f"{SETTING} is {setting!r}: it can be {REQUIRED} or {NONE}.")
    auth = None if secrets is None else secrets.get("auth")
    if setting == NONE:
        contradiction = f"{SETTING} is {NONE}, but the secrets have a section [auth]: remove one of the two."
        return Login(True, complaint=contradiction) if auth is not None else Login()
    if not (setting or there or auth is not None):
        return Login()
    if secrets is None:
        return Login(True, complaint=f"The login's secrets can't be read: {trouble or 'there are none'}.")
    if not isinstance(auth, Mapping):
        return Login(True, complaint=f"The secrets have no section [auth]. Without a login set {SETTING}={NONE}.")
    try:
        limit = float(hours.strip() or USUAL_HOURS)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        return Login(True, complaint=f"{HOURS} is {hours!r}: it can be a number of hours, 0 for no limit.")
    return replace(_configured(auth), hours=limit)


def _configured(auth: Mapping[str, Any]) -> Login:
    sections = {
        name: value for name, value in auth.items() if isinstance(value, Mapping) and name not in NO_PROVIDERS
    } or {DEFAULT: auth}
    several = len(sections) > 1
    complaints = [f"[auth] has no {key}" for key in SHARED_KEYS if not _filled(auth, key)]
    if _filled(auth, "cookie_secret") and len(auth["cookie_secret"]) < SHORTEST_SECRET:
        complaints.append(f"cookie_secret has fewer than {SHORTEST_SECRET} characters: anybody could forge a login")
    providers = {}
    for name, section in sections.items():
        place = "[auth]" if section is auth else f"[auth.{name}]"
        complaints += [f"{place} has no {key}" for key in PROVIDER_KEYS if not _filled(section, key)]
        if "_" in name:
            complaints.append(f"{place}: Streamlit takes no name with an underscore")
        providers[name] = _issuer(section, several=several)
        if several and not providers[name]:
            complaints.append(f"{place} has no issuer, and its server_metadata_url doesn't name one")
    said = f"The login is not configured as it must be: {'; '.join(complaints)}." if complaints else None
    return Login(True, providers, said)


def _issuer(section: Mapping[str, Any], *, several: bool) -> str:
    """Return the issuer that a provider's logins must name; empty where there is only one, and none is set."""
    if _filled(section, "issuer"):
        return issuer_of(section["issuer"])
    address = section.get("server_metadata_url")
    known = several and isinstance(address, str) and address.endswith(WELL_KNOWN)
    return issuer_of(str(address).removesuffix(WELL_KNOWN)) if known else ""


def _filled(section: Mapping[str, Any], key: str) -> bool:
    value = section.get(key)
    return isinstance(value, str) and bool(value.strip())
