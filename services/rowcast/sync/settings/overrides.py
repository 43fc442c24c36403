"""Which settings each environment's rows are delivered by: the instance's own, with what an environment has its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from rowcast.sync.settings.instance import SyncSettings

ANY = "*"
"""Stands for all environments that are not named."""
OVERRIDABLE = {"k8s": ("namespace", "kubeconfig", "kube_context"), "git": ("git_",)}
"""What an environment may have of its own, by the target's kind: names of settings, or what they begin with."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """`by_route` has different places; `routes` says to which of them an environment's rows go, `ANY` for the rest."""

    by_route: Mapping[str, SyncSettings]
    routes: Mapping[str, str | None]

    def route_of(self, environment: str) -> str | None:
        """The name of an environment's route; None where it is not delivered by this instance."""
        return self.routes[environment if environment in self.routes else ANY]


def destinations(settings: SyncSettings) -> Destinations:
    """All places of an instance; a route is named after the first environment that goes there.

    Raises ValueError, which names the environment, for settings that are none or that meet each other.
    """
    by_route: dict[str, SyncSettings] = {}
    routes: dict[str, str | None] = {}
    named: dict[str, Mapping[str, Any] | None] = {ANY: {}, **settings.environments}
    for environment, own in named.items():
        if own is None:
            routes[environment] = None
            continue
        found = _with(settings, environment, own)
        route = next((route for route, other in by_route.items() if _same(found, other)), environment)
        for other, there in by_route.items():
            if route == environment and _meet(found, there):
                raise ValueError(f"{environment}: its files would be among those of {other}")
        routes[environment] = route
        by_route.setdefault(route, found)
    if not by_route:
        raise ValueError("no environment is delivered anywhere")
    return Destinations(by_route, routes)


def _with(settings: SyncSettings, environment: str, own: Mapping[str, Any]) -> SyncSettings:
    allowed = OVERRIDABLE[settings.target_kind]
    for name in own:
        if name not in type(settings).model_fields or not name.startswith(allowed):
            known = ", ".join(field for field in type(settings).model_fields if field.startswith(allowed))
            raise ValueError(f"{environment}: {name}: no setting of an environment; there is {known}")
    values = {name: getattr(settings, name) for name in type(settings).model_fields} | {"environments": {}, **own}
    if "git_cache" not in own and settings.git_cache is not None and _repository(values) != _repository(vars(settings)):
        folder = hashlib.sha256("\n".join(_repository(values)).encode()).hexdigest()[:16]
        values["git_cache"] = settings.git_cache / folder
    try:
        return settings.given(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{environment}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _repository(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(values[name]) for name in ("git_url", "git_branch", "git_root"))


def _same(one: SyncSettings, other: SyncSettings) -> bool:
    allowed = OVERRIDABLE[one.target_kind]
    names = (name for name in type(one).model_fields if name.startswith(allowed))
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _meet(one: SyncSettings, other: SyncSettings) -> bool:
    """Whether two places are one branch, with folders of which one is in the other."""
    if one.target_kind != "git" or (one.git_url, one.git_branch) != (other.git_url, other.git_branch):
        return False
    first, second = (f"{settings.git_root}/".lstrip("/") for settings in (one, other))
    return first.startswith(second) or second.startswith(first)
