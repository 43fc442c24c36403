"""A policy as crud has it, judged by crud's own rules: for tests, and to design against."""

from __future__ import annotations

from dataclasses import dataclass, field

from access.models import Accesses, Extent, Mine
from client.errors import MissingError, RefusedError, UnavailableError
from login.identity import Who
from rowcast.core.policy import ANONYMOUS, OF_ROWS, RESOURCES, Rights, read_policy

OF_RENDERERS = ("rows", "promotions", "renderers", "rollouts")


@dataclass
class Policies:
    """What crud is set to: `policy` is a file's text, None where there is none.

    `people` are whom it takes each token that it believes for, and `believed` says whether it takes the dashboard's
    word. A crud that is `old` knows nothing of this.
    """

    policy: str | None = None
    renderers: tuple[str, ...] = ("appconfigs",)
    targets: tuple[str, ...] = ("k8s", "git")
    people: dict[str, str] = field(default_factory=dict)
    believed: bool = True
    old: bool = False
    down: bool = False
    asked: list[str] = field(default_factory=list)


class FakeAccess(Accesses):
    """What CrudClient does for what one may do."""

    @property
    def _policies(self) -> Policies:
        raise NotImplementedError

    @property
    def _person_now(self) -> Who:
        raise NotImplementedError

    def my_access(self, token: str = "") -> Mine:
        """Return who asks and what they may do."""
        policies = self._policies
        policies.asked.append(token)
        if policies.down:
            raise UnavailableError("The crud service is not available.")
        if policies.old:
            raise MissingError(404, "Not found")
        if token and token not in policies.people:
            raise RefusedError(401, "Unauthorized", "its issuer is none of ROWCAST_ISSUERS")
        rights, names = self._rights(token)
        return Mine(
            subject=names[0],
            way="dashboard" if token or policies.believed else "sidecar",
            enforced=policies.policy is not None,
            issuer="https://login.example.com" if token else None,
            names=tuple(rights.held) or names,
            renderers={
                name: {f"{of}/{verb}": _extent(rights, of, verb, name) for of in OF_RENDERERS for verb in RESOURCES[of]}
                for name in policies.renderers
            },
            targets={
                target: tuple(verb for verb in RESOURCES["reconciles"] if _may(rights, "reconciles", verb, target))
                for target in policies.targets
            },
            other=frozenset(f"{of}/view" for of in ("pipeline", "audit") if _may(rights, of, "view", None)),
            proposes={name: of for name in policies.renderers if (of := self._approved(name))},
            rules=tuple(f"line {rule.line}: {rule}" for rule in rights.rules),
        )

    def why_not(self, act: str, renderer: str, environment: str) -> str | None:
        """Return why the policy refuses it, None if it allows it."""
        resource, _, verb = act.partition("/")
        rights, _ = self._rights(self._person_now.token)
        place = (environment or None) if resource in OF_ROWS else None
        decision = rights.decide(resource, verb, renderer or None, place)
        return None if decision.allowed else decision.why

    def _approved(self, renderer: str) -> tuple[str, ...]:
        policy = self._policies.policy
        return tuple(read_policy(policy).approvals.environments(renderer)) if policy is not None else ()

    def _rights(self, token: str) -> tuple[Rights, tuple[str, ...]]:
        policies, who = self._policies, self._person_now
        names = (who.person, *(f"group:{name}" for name in who.groups)) if who.verified else (ANONYMOUS,)
        if token:
            names = (policies.people[token],)
        elif not policies.believed:
            names = ("app:ui",)
        if policies.policy is None:
            return Rights(unlimited=True), names
        return read_policy(policies.policy).rights(names), names


def _may(rights: Rights, resource: str, verb: str, name: str | None) -> bool:
    return rights.decide(resource, verb, name).allowed


def _extent(rights: Rights, resource: str, verb: str, renderer: str) -> Extent:
    some = resource in OF_ROWS and rights.anywhere(resource, verb, renderer)
    return "all" if _may(rights, resource, verb, renderer) else "some" if some else "none"
