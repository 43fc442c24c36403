"""What must change in Connect, and whether what runs there is well. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

_SECRET = re.compile(r"password|secret|token|credential|[.]key$", re.IGNORECASE)
_REFERENCE = re.compile(r"[$][{][^}]+[}]")


class Change(StrEnum):
    """What applying does to the connector."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Difference:
    """One setting; None where it is absent. Secrets are masked already."""

    setting: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.setting} = {self.after}"
        if self.after is None:
            return f"- {self.setting} = {self.before}"
        return f"~ {self.setting} = {self.before} → {self.after}"


@dataclass(frozen=True)
class Plan:
    """The change and its settings, sorted by name."""

    change: Change
    differences: Sequence[Difference]


def plan(desired: Mapping[str, str], current: Mapping[str, str] | None, *, name: str) -> Plan:
    """Compares the wanted settings with those in Connect (None: there is no such connector).

    Connect adds the connector's name to its settings; that is no difference.
    """
    wanted = {**desired, "name": name}
    existing = dict(current or {})
    differences = [
        _difference(setting, existing.get(setting), wanted.get(setting))
        for setting in sorted(wanted.keys() | existing.keys())
        if existing.get(setting) != wanted.get(setting)
    ]
    if current is None:
        return Plan(Change.CREATED, differences)
    return Plan(Change.CONFIGURED if differences else Change.UNCHANGED, differences)


def _difference(setting: str, before: str | None, after: str | None) -> Difference:
    return Difference(setting, _masked(setting, before), _masked(setting, after))


def _masked(setting: str, value: str | None) -> str | None:
    # A reference says where the secret is, not what it is.
    if value is None or not _SECRET.search(setting) or _REFERENCE.fullmatch(value):
        return value
    return "***"
