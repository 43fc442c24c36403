"""Who looks at the dashboard and what they may do: pure, from what the login says and how the dashboard is set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import rules

Role = Literal["editor", "viewer"]
Source = Literal["login", "typed"]

ANONYMOUS: Final = "anonymous"
GROUP: Final = "group:"
"""Begins an entry of a list that names a group (or role) of the login, not a person."""
MEANING: Final[Mapping[Role, str]] = {
    "editor": "You may change configurations, resolve dead letters and reconcile.",
    "viewer": "You see everything and change nothing.",
}


@dataclass(frozen=True)
class Who:
    """The person whom crud records, their role, and whether a login vouches for them."""

    person: str
    role: Role = "editor"
    source: Source = "typed"
    name: str = ""

    @property
    def can_edit(self) -> bool:
        """Whether changes are offered, and sent."""
        return self.role == "editor"


@dataclass(frozen=True)
class Roles:
    """Who has which role. An entry is a person (e-mail address or name, in any case) or `group:NAME`.

    Someone in both lists is a viewer. `complaint` says which setting can't be read; then nobody may change anything.
    """

    default: Role = "editor"
    editors: frozenset[str] = frozenset()
    viewers: frozenset[str] = frozenset()
    groups_claim: str = "groups"
    complaint: str | None = None

    def of(self, person: str, claims: Mapping[str, Any]) -> Role:
        """Return the role of `person`, whose login made these `claims` (none, where names are typed)."""
        names = {person.casefold(), *_groups(claims.get(self.groups_claim))}
        if claims.get("email"):
            names.add(str(claims["email"]).casefold())
        if self.complaint or names & self.viewers:
            return "viewer"
        return "editor" if names & self.editors else self.default


def roles(environment: Mapping[str, str]) -> Roles:
    """Return what ROWCAST_ROLE, ROWCAST_EDITORS, ROWCAST_VIEWERS and ROWCAST_GROUPS_CLAIM say."""
    default = environment.get("ROWCAST_ROLE", "").strip().casefold() or "editor"
    wrong = f"ROWCAST_ROLE is {default!r}: it can be editor or viewer. Until then everybody is a viewer."
    return Roles(
        default="viewer" if default == "viewer" else "editor",
        editors=_entries(environment.get("ROWCAST_EDITORS", "")),
        viewers=_entries(environment.get("ROWCAST_VIEWERS", "")),
        groups_claim=environment.get("ROWCAST_GROUPS_CLAIM") or "groups",
        complaint=None if default in ("editor", "viewer") else wrong,
    )


def signed_in(claims: Mapping[str, Any], roles: Roles) -> Who:
    """Return who a login says it is: by e-mail address, else by name, else by the provider's own identifier."""
    names = (str(claims.get(claim) or "").strip() for claim in ("email", "preferred_username", "name", "sub"))
    person = next((name for name in names if rules.is_person(name)), ANONYMOUS)
    shown = str(claims.get("name") or "").strip() or person
    return Who(person, roles.of(person, claims), "login", shown)


def typed(name: str, roles: Roles) -> Who:
    """Return who somebody says they are, without a login that vouches for it."""
    name = name.strip()
    person = name if rules.is_person(name) else ANONYMOUS
    return Who(person, roles.of(person, {}), "typed", person)


def _entries(text: str) -> frozenset[str]:
    return frozenset(entry.strip().casefold() for entry in text.split(",") if entry.strip())


def _groups(claim: object) -> Iterable[str]:
    names = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return (f"{GROUP}{name}".casefold() for name in names)
