"""Who asks, who vouches for them, and what they may do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import orjson

from rowcast.core.policy import (
    ANONYMOUS,
    APP,
    GROUP,
    ROLE,
    UNLIMITED,
    Approvals,
    Decision,
    Reach,
    Rights,
    may_not,
)
from rowcast.core.row import APP_CONFIGS
from rowcast.crud.access.issuers import Issuer, read_issuers
from rowcast.crud.access.policy_file import PolicyFile
from rowcast.crud.access.tokens import MOST_GROUPS, Person, TokenError, Tokens
from rowcast.crud.access.watched_file import WatchedFile
from rowcast.crud.database.audit import Noted
from rowcast.crud.database.connections import VouchedFor
from rowcast.crud.errors import DeniedError
from rowcast.crud.settings import CrudSettings
from rowcast.runtime.loopback import is_loopback

Way = Literal["token", "dashboard", "sidecar", "operator", "local"]
"""`token`: one's own; `dashboard`: it vouches for its person, or passes their token on; `sidecar`: another
application's; `operator`: who has the token of crud's own sidecar; `local`: somebody at this machine.
"""
_SYNC = "sync-"
_NOT_PERSONS = (ROLE, GROUP, APP)


class UnidentifiedError(TokenError):
    """Nothing says who asks, and here that is needed."""


@dataclass(frozen=True)
class Shown:
    """What a request carries of who asks. `app` is the application whose sidecar has sent it, by Dapr's word."""

    bearer: str | None = None
    by_sidecar: bool = False
    app: str | None = None
    person: str = ""
    verified: bool = False
    groups: str | None = None
    """A JSON list, from the dashboard."""


@dataclass(frozen=True)
class Caller:
    """Who asks. `names` are what the policy knows them by; changes are recorded as `actor`'s."""

    way: Way
    actor: str
    rights: Rights
    names: tuple[str, ...] = (ANONYMOUS,)
    issuer: str | None = None
    name: str = ""
    app: str | None = None
    noted: Noted = field(default_factory=Noted, compare=False)

    @property
    def subject(self) -> str:
        """What they are called first."""
        return self.names[0]

    @property
    def verified(self) -> bool:
        """Whether somebody vouches for them."""
        return self.subject != ANONYMOUS

    @property
    def is_limited(self) -> bool:
        """Whether they have a rate of their own: whom somebody vouches for, but for the targets' instances."""
        return self.verified and not self.is_sync

    @property
    def person_names(self) -> frozenset[str]:
        """All that says which person it is, as it is compared: groups and roles say nothing of it."""
        named = (str(self.actor), *(name for name in self.names if not name.startswith((ROLE, GROUP))))
        return frozenset(name.casefold() for name in named) - {ANONYMOUS}

    @property
    def is_sync(self) -> bool:
        """Whether it is a target's instance, by its sidecar's identity."""
        return self.way == "sidecar" and (self.app or "").startswith(_SYNC)

    def decide(self, resource: str, verb: str, renderer: str | None, environment: str | None = None) -> Decision:
        """Whether something is allowed, with one environment's, or, for None, with all."""
        return self.rights.decide(resource, verb, renderer, environment)

    def why_not(self, resource: str, verb: str, renderer: str | None, environment: str | None = None) -> str | None:
        """Why something is refused; None if it is allowed."""
        if environment is not None:
            self.noted.environments.add(environment)
        decision = self.decide(resource, verb, renderer, environment)
        if decision.allowed:
            return None
        return may_not(self.subject, verb, resource, f"{renderer or '*'}/{environment or '*'}", decision.why)

    def require(self, resource: str, verb: str, renderer: str | None, environment: str | None = None) -> None:
        """Raises DeniedError."""
        why = self.why_not(resource, verb, renderer, environment)
        if why is not None:
            raise DeniedError(why)

    def sees(self, environment: str | None, renderer: str = APP_CONFIGS) -> bool:
        """Whether a renderer's rows of an environment are there for them; None is one that isn't known."""
        return self.decide("rows", "view", renderer, environment).allowed

    def seen(self, renderer: str = APP_CONFIGS) -> Reach:
        """In which environments a renderer's rows are there for them."""
        return self.rights.environments("rows", "view", renderer)


@dataclass(frozen=True)
class Access:
    """Who is believed here, and the policy. Without one, everybody may do everything who comes as they always did."""

    tokens: Tokens
    issuers_file: WatchedFile[Sequence[Issuer]] | None = None
    policy: PolicyFile | None = None
    dashboards: Sequence[str] = ("ui",)
    on_loopback: bool = True
    has_token: bool = False
    """Whether crud's own sidecar shows a token, so that no one else can say that they are it."""

    @property
    def approvals(self) -> Approvals:
        """Where changes want an approval: nowhere without a policy."""
        return Approvals() if self.policy is None else self.policy.approvals

    def why_no_person(self, caller: Caller) -> str | None:
        """Why somebody doesn't count as a person who approves; None if they do.

        A typed name does at this machine alone, where nobody else could be asked.
        """
        if caller.way in ("token", "dashboard") and isinstance(caller.actor, VouchedFor):
            return None
        if self.on_loopback and caller.way in ("local", "dashboard") and str(caller.actor) != ANONYMOUS:
            return None
        return f"nobody vouches for {caller.actor} as a person: a login of the dashboard, or a token, has to"

    def why_not_propose(self, caller: Caller) -> str | None:
        """Why somebody's change can't be one that another person approves; None if it can."""
        if caller.subject != ANONYMOUS or self.on_loopback:
            return None
        return "nobody vouches for who you are, so nobody could tell that it is somebody else who approves"

    async def caller(self, shown: Shown) -> Caller:
        """Who asks. Raises TokenError, and IssuerAwayError where that can't be known now."""
        if shown.bearer is not None:
            return self._by_token(await self.tokens.person(shown.bearer), shown)
        if shown.by_sidecar and shown.app:
            return self._by_sidecar(shown, shown.app)
        if shown.by_sidecar and self.has_token:
            actor = VouchedFor(shown.person) if shown.person and shown.verified else shown.person or ANONYMOUS
            return Caller("operator", actor, UNLIMITED, name=shown.person)
        if not self.on_loopback:
            raise UnidentifiedError("nothing says who asks: show a token, as Authorization: Bearer")
        believed = self.policy is None and bool(shown.person) and shown.verified
        actor = VouchedFor(shown.person) if believed else shown.person or ANONYMOUS
        return Caller("local", actor, self._rights((ANONYMOUS,), known=False), name=shown.person)

    def _by_token(self, person: Person, shown: Shown) -> Caller:
        # What looks like an address is a commit's author: an issuer's word is needed that it is the person's.
        safe = person.is_address or "@" not in person.subject
        dashboard = shown.by_sidecar and shown.app in self.dashboards
        return Caller(
            "dashboard" if dashboard else "token",
            VouchedFor(person.subject) if safe else person.subject,
            self.policy.rights(person.names, known=True) if self.policy else Rights(),
            person.names,
            person.issuer,
            person.name,
            shown.app if shown.by_sidecar else None,
        )

    def _by_sidecar(self, shown: Shown, app: str) -> Caller:
        if app not in self.dashboards:
            own = (f"{APP}{app}",)
            return Caller(
                "sidecar", shown.person or app, self._rights(own, known=False), own, name=shown.person, app=app
            )
        vouched = shown.verified and bool(shown.person) and _is_person(shown.person)
        names: tuple[str, ...] = (shown.person, *_groups(shown.groups)) if vouched else (ANONYMOUS,)
        actor = VouchedFor(shown.person) if vouched else shown.person or ANONYMOUS
        return Caller("dashboard", actor, self._rights(names, known=vouched), names, name=shown.person, app=app)

    def _rights(self, names: Sequence[str], *, known: bool) -> Rights:
        return UNLIMITED if self.policy is None else self.policy.rights(names, known=known)


def make_access(settings: CrudSettings) -> Access:
    """As the settings have it."""
    issuers = (
        WatchedFile[Sequence[Issuer]]("the issuers", settings.issuers, read_issuers, ()) if settings.issuers else None
    )
    return Access(
        Tokens(lambda: issuers.content if issuers else ()),
        issuers,
        PolicyFile(settings.policy, settings.policy_default or None) if settings.policy else None,
        settings.dashboards,
        is_loopback(settings.http_host),
        settings.app_api_token is not None,
    )


def _is_person(name: str) -> bool:
    return name != ANONYMOUS and not name.startswith(_NOT_PERSONS)


def _groups(text: str | None) -> list[str]:
    """As the policy calls them; none where they can't be read, since a right is given for what is proved."""
    try:
        given = orjson.loads(text or "[]")
    except orjson.JSONDecodeError:
        return []
    if not isinstance(given, list) or len(given) > MOST_GROUPS:
        return []
    return [f"{GROUP}{each}" for each in given if isinstance(each, str) and each.strip()]
