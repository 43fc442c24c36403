"""Who looks at the dashboard and what they may do: pure, from what the login says and how the dashboard is set."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from configurations import rules
from login import tokens

Role = Literal["editor", "viewer"]
Source = Literal["login", "typed"]

ANONYMOUS: Final = "anonymous"
EMAIL, GROUP, SUBJECT = "email:", "group:", "sub:"
"""What an entry of a list begins with that names an address, a group (or role) or a subject of the login."""
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
NAME_LENGTH: Final = 100
MEANING: Final[Mapping[Role, str]] = {
    "editor": "You may change configurations and rows, roll out revisions, resolve dead letters and reconcile.",
    "viewer": "You see everything and change nothing.",
}
# Only A-Z: Unicode's folding would make one address of two (`ß` and `ss`, the Kelvin sign and `k`).
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Who:
    """The person whom crud records, their role, and whether a login vouches for them.

    `name` is what is shown to themselves; nothing depends on it. `verified`: `person` is an address that the login's
    provider has verified, or `sub:ISSUER#SUBJECT`.
    """

    person: str
    role: Role = "editor"
    source: Source = "typed"
    name: str = ""
    verified: bool = False
    groups: tuple[str, ...] = field(default=(), compare=False)
    """Those that the login vouches for: by their names alone, or `ISSUER#NAME` of an issuer that is not the usual."""
    token: str = field(default="", compare=False, repr=False)
    """The login's own token, for crud to judge; empty where there is none to show."""

    @property
    def can_edit(self) -> bool:
        """Whether changes are offered, and sent."""
        return self.role == "editor"


@dataclass(frozen=True)
class Roles:
    """Who has which role, as ROWCAST_ROLE and the lists beside it say; entries are as `entries` returns them.

    Someone in both lists is a viewer. `issuer` is whose addresses, subjects and groups the entries mean that name no
    issuer; empty for the only provider there is. `complaint` says which setting can't be read; then nobody may change
    anything.
    """

    default: Role = "editor"
    editors: frozenset[str] = frozenset()
    viewers: frozenset[str] = frozenset()
    groups_claim: str = "groups"
    issuer: str = ""
    complaint: str | None = None

    def of(self, proved: Iterable[str], claimed: Iterable[str]) -> Role:
        """Return the role of somebody for whom the entries `proved` stand, and who claims those in `claimed`.

        A right is given for what is proved; to take one away, a claim is enough.
        """
        proved = set(proved)
        if self.complaint or self.viewers & (proved | set(claimed)):
            return "viewer"
        return "editor" if proved & self.editors else self.default


def roles(environment: Mapping[str, str], address: str | None = "127.0.0.1") -> Roles:
    """Return what ROWCAST_ROLE, _EDITORS, _VIEWERS, _ISSUER and _GROUPS_CLAIM say.

    `address` is where the dashboard listens, None for everywhere: by default those are editors who are at its machine.
    """
    default = environment.get("ROWCAST_ROLE", "").strip().casefold() or ("editor" if local(address) else "viewer")
    wrong = f"ROWCAST_ROLE is {default!r}: it can be editor or viewer. Until then everybody is a viewer."
    return Roles(
        default="editor" if default == "editor" else "viewer",
        editors=entries(environment.get("ROWCAST_EDITORS", "")),
        viewers=entries(environment.get("ROWCAST_VIEWERS", "")),
        groups_claim=environment.get("ROWCAST_GROUPS_CLAIM") or "groups",
        issuer=issuer_of(environment.get("ROWCAST_ISSUER", "")),
        complaint=None if default in ("editor", "viewer") else wrong,
    )


def local(address: str | None) -> bool:
    """Tell whether only this machine reaches a server that listens at `address` (None: at every address)."""
    return address is not None and (address.strip("[]") in LOOPBACK or address.startswith("127."))


def issuer_of(text: str) -> str:
    """Return an issuer's URL in the one form that is compared: without blanks and slashes at its end."""
    return text.strip().rstrip("/")


def entries(text: str) -> frozenset[str]:
    """Return the entries of a list with commas between them, in the form in which they are compared.

    `ada@example.com` is a verified address, `group:NAME` a group, `sub:SUBJECT` a subject; each of the three may name
    its issuer: `email:ISSUER#ADDRESS`, `group:ISSUER#NAME`, `sub:ISSUER#SUBJECT`. Anything else is a name to type.
    """
    return frozenset(_entry(entry.strip()) for entry in text.split(",") if entry.strip())


def _entry(text: str) -> str:
    for kind in (EMAIL, GROUP, SUBJECT):
        if text[: len(kind)].translate(_LOWER) == kind:
            return _compared(kind, *_split(text[len(kind) :].strip()))
    return _compared(EMAIL, "", text) if "@" in text else text.translate(_LOWER)


def _split(text: str) -> tuple[str, str]:
    """Return issuer and value; an issuer is a URL without `#` (OpenID Connect Core, section 2), else there is none."""
    issuer, mark, value = text.partition("#")
    return (issuer_of(issuer), value) if mark and issuer.startswith(("https://", "http://")) else ("", text)


def _compared(kind: str, issuer: str, value: str) -> str:
    # A subject's case counts (section 2); addresses and groups are written in any.
    value = value.strip() if kind == SUBJECT else value.strip().translate(_LOWER)
    return f"{kind}{issuer}#{value}" if issuer else f"{kind}{value}"


def signed_in(claims: Mapping[str, Any], roles: Roles, *, several: bool = False) -> Who:
    """Return who a login says it is: its verified address, else issuer and subject. Claims may be of any type.

    `several` tells whether there are several providers: then an entry that names no issuer means `roles.issuer`.
    """
    issuer, subject, email = issuer_of(_text(claims.get("iss"))), _text(claims.get("sub")), _text(claims.get("email"))
    verified = claims.get("email_verified") is True and "@" in email and rules.is_person(email)
    meant = {issuer} if issuer and "#" not in issuer else set()
    if issuer == roles.issuer if roles.issuer else not several:
        meant.add("")
    groups = list(_groups(claims.get(roles.groups_claim)))
    sure = [(GROUP, group) for group in groups]
    sure += [(SUBJECT, subject)] if subject else []
    sure += [(EMAIL, email)] if verified else []
    # A value that has the form of an entry with an issuer proves nothing of that issuer's.
    proved = {_compared(kind, each, value) for kind, value in sure for each in meant if each or not _split(value)[0]}
    said = [*sure, (EMAIL, email)]
    claimed = {_compared(kind, each, value) for kind, value in said for each in (issuer, "")}
    claimed |= {_text(claims.get(name)).translate(_LOWER) for name in ("preferred_username", "name", "sub")}
    person, vouched = _recorded(issuer, subject, email if verified else "")
    shown = _text(claims.get("name"))[:NAME_LENGTH] or person
    usual = "" in meant
    told = (group if usual else f"{issuer}#{group}" for group in groups if not _split(group)[0])
    held, token = tuple(told) if vouched else (), tokens.exposed(claims.get("tokens"))
    return Who(person, roles.of(proved, claimed), "login", shown, vouched, held, token)


def _recorded(issuer: str, subject: str, email: str) -> tuple[str, bool]:
    """Return whom crud records, and whether that is vouched for."""
    if email:
        return email, True
    full = _compared(SUBJECT, issuer, subject)
    if subject and issuer and rules.is_person(full):
        return full, True
    # Without an issuer a subject could be anybody's; what looks like an address would be taken for one.
    return (subject, False) if rules.is_person(subject) and "@" not in subject else (ANONYMOUS, False)


def typed(name: str, roles: Roles) -> Who:
    """Return who somebody says they are, without a login that vouches for it.

    A typed name is one of the lists' names; it is never an address, a subject or a group.
    """
    name = name.strip()
    person = name if rules.is_person(name) else ANONYMOUS
    folded = person.translate(_LOWER)
    proved = set() if "@" in folded or folded.startswith((EMAIL, GROUP, SUBJECT)) else {folded}
    return Who(person, roles.of(proved, {_entry(person)}), "typed", person)


def _text(claim: object) -> str:
    return claim.strip() if isinstance(claim, str) else ""


def _groups(claim: object) -> Iterator[str]:
    names = claim if isinstance(claim, (list, tuple)) else [claim]
    return (name for each in names if (name := _text(each)))
