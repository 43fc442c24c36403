"""Promotion: a row's fields are copied from its counterpart, the row of the same thing one place before it. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Problem = tuple[tuple[str, ...], str]
"""A path within the promotion, and what is wrong there."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"[1-9][0-9]{0,5}[smhd]")
MEMBERS = ("match", "along", "order", "fields", "gates")
GATES = ("healthy", "approval")

Rule = Literal[
    "first", "missing", "ambiguous", "no-counterpart", "same", "unwritable", "failed", "unsettled", "too-young"
]
"""Why a row can't be promoted to."""


@dataclass(frozen=True)
class Promotion:
    """Rows are counterparts if they are equal in the columns `match`; `along` is the column that tells them apart, and
    `order` its values, the first where a change begins. `fields` are the columns that are copied.

    `healthy_seconds`: how long what is promoted must have been healthy where it is; None: it need not be.
    `approval`: somebody else than who asks has to say yes.
    """

    match: tuple[str, ...]
    along: str
    order: tuple[str, ...]
    fields: tuple[str, ...]
    healthy_seconds: int | None = None
    approval: bool = False


def promotion_of(given: object, defaults: Mapping[str, Any] | None = None) -> tuple[Promotion | None, list[Problem]]:
    """The promotion that JSON describes, or None and all that is wrong with it; `defaults` are for missing members."""
    if not isinstance(given, Mapping):
        return None, [((), "must be a mapping")]
    value = {**(defaults or {}), **given}
    unknown = f"is nothing that a promotion has; there is {', '.join(MEMBERS)}"
    problems: list[Problem] = [((str(name),), unknown) for name in value if name not in MEMBERS]
    match, order, fields = (_names(value, name, problems) for name in ("match", "order", "fields"))
    along = value.get("along")
    if not isinstance(along, str) or not along:
        problems.append((("along",), "must be the name of a column"))
    if len(order) == 1:
        problems.append((("order",), "must have two places at least"))
    says_which = [name for name in fields if name == along or name in match]
    problems += [(("fields",), f"{name} says which row it is, and can't be copied") for name in says_which]
    if along in match:
        problems.append((("along",), f"{along} is in match: counterparts would all be in one place"))
    healthy, approval = _gates(value.get("gates"), problems)
    if problems:
        return None, problems
    return Promotion(match, str(along), order, fields, healthy, approval), []


def _names(value: Mapping[str, Any], name: str, problems: list[Problem]) -> tuple[str, ...]:
    names = value.get(name)
    if not isinstance(names, list | tuple) or not names or not all(isinstance(each, str) and each for each in names):
        problems.append(((name,), "must be a list of at least one text"))
        return ()
    if len(set(names)) < len(names):
        problems.append(((name,), "has one of them twice"))
    return tuple(names)


def _gates(value: object, problems: list[Problem]) -> tuple[int | None, bool]:
    if value is None:
        return None, False
    if not isinstance(value, Mapping):
        problems.append((("gates",), "must be a mapping"))
        return None, False
    known = ", ".join(GATES)
    problems += [(("gates", str(name)), f"is no gate; there is {known}") for name in value if name not in GATES]
    healthy, approval = value.get("healthy"), value.get("approval", False)
    if "healthy" in value and not (isinstance(healthy, str) and DURATION.fullmatch(healthy)):
        problems.append((("gates", "healthy"), "must be a time such as 90s, 30m, 4h or 2d"))
        healthy = None
    if not isinstance(approval, bool):
        problems.append((("gates", "approval"), "must be true or false"))
    return int(healthy[:-1]) * _UNITS[healthy[-1]] if isinstance(healthy, str) else None, approval is True


@dataclass(frozen=True)
class Report:
    """What a target says of a row: `state` (synced, pending, failed), how far it is beyond its delivery (`stage`; None
    where nobody tells of any), since when, and what is wrong.
    """

    target: str
    state: str
    stage: str | None = None
    since: datetime | None = None
    message: str | None = None


@dataclass(frozen=True)
class Member:
    """A row among its counterparts; `reports` are of each target that should have it, at its generation.

    `environment` is None where it isn't known.
    """

    key: str
    generation: int
    place: str
    values: Mapping[str, Any]
    reports: Sequence[Report] = ()
    environment: str | None = None


@dataclass(frozen=True)
class Step:
    """One place of an order: the row there (None: none), the one that it is promoted from, what would change, each
    field with before and after, and why it can't be promoted to. `wait_seconds`: how long a gate stays shut still.
    """

    place: str
    row: Member | None = None
    source: Member | None = None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    rule: Rule | None = None
    why: str | None = None
    wait_seconds: float | None = None

    @property
    def allowed(self) -> bool:
        """Whether it can be promoted to now; somebody may have to approve it still."""
        return self.rule is None


def healthy_since(reports: Sequence[Report]) -> tuple[datetime | None, Rule | None, str | None]:
    """Since when a row is healthy at each target, or delivered where no stage is told; or else why it isn't."""
    for report in reports:
        if report.state == "failed" or report.stage == "failed":
            return None, "failed", f"has failed at {report.target}{_said(report)}"
    for report in reports:
        if report.state != "synced" or report.since is None:
            return None, "unsettled", f"is not delivered to {report.target} yet{_said(report)}"
        if report.stage not in (None, "healthy"):
            return None, "unsettled", f"is {report.stage} at {report.target}, not healthy yet{_said(report)}"
    moments = [report.since for report in reports if report.since is not None]
    if not moments:
        return None, "unsettled", "is not delivered anywhere"
    return max(moments), None, None


def _said(report: Report) -> str:
    return f": {report.message}" if report.message else ""


def steps(
    promotion: Promotion, members: Sequence[Member], now: datetime, unwritable: Mapping[str, str] | None = None
) -> list[Step]:
    """Each place of the order, for rows that are counterparts. `unwritable`: fields that can't be written, and why.

    Rows in places that the order hasn't are left out.
    """
    at = {place: [member for member in members if member.place == place] for place in promotion.order}
    return list(_steps(promotion, at, now, unwritable or {}))


def _steps(
    promotion: Promotion, at: Mapping[str, Sequence[Member]], now: datetime, unwritable: Mapping[str, str]
) -> Iterator[Step]:
    before: str | None = None
    for place in promotion.order:
        yield _step(promotion, at, before, place, now, unwritable)
        before = place


def _step(
    promotion: Promotion,
    at: Mapping[str, Sequence[Member]],
    before: str | None,
    place: str,
    now: datetime,
    unwritable: Mapping[str, str],
) -> Step:
    here = at[place]
    row = here[0] if len(here) == 1 else None
    if not here:
        return Step(place, rule="missing", why=f"there is no row in {place}")
    if row is None:
        return Step(place, rule="ambiguous", why=f"{len(here)} rows are in {place}: {_keys(here)}")
    if before is None:
        return Step(place, row, rule="first", why=f"{place} is where a change begins")
    sources = at[before]
    if not sources:
        return Step(place, row, rule="no-counterpart", why=f"there is no counterpart in {before}")
    if len(sources) > 1:
        return Step(place, row, rule="ambiguous", why=f"{len(sources)} rows are in {before}: {_keys(sources)}")
    source = sources[0]
    fields = {
        name: (row.values.get(name), source.values.get(name))
        for name in promotion.fields
        if not same(row.values.get(name), source.values.get(name))
    }
    if not fields:
        return Step(place, row, source, rule="same", why=f"is as in {before}")
    for name in fields:
        if name in unwritable:
            return Step(place, row, source, fields, "unwritable", f"{name} {unwritable[name]}")
    rule, why, wait = _gate(promotion, source, before, now)
    return Step(place, row, source, fields, rule, why, wait)


def _keys(members: Sequence[Member]) -> str:
    return ", ".join(sorted(member.key for member in members))


def _gate(
    promotion: Promotion, source: Member, before: str, now: datetime
) -> tuple[Rule | None, str | None, float | None]:
    if promotion.healthy_seconds is None:
        return None, None, None
    since, rule, why = healthy_since(source.reports)
    if since is None:
        return rule, f"the row in {before} {why}", None
    # A clock that is ahead of ours says nothing of how long.
    waited = max((now - since).total_seconds(), 0.0)
    left = promotion.healthy_seconds - waited
    if left > 0:
        needed = as_duration(promotion.healthy_seconds)
        why = f"the row in {before} is healthy for {as_duration(waited)} of {needed}: {as_duration(left)} to go"
        return "too-young", why, left
    return None, None, None


def same(one: Any, other: Any) -> bool:
    """Whether two values as JSON are the same: true is not 1, whatever Python says."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def as_duration(seconds: float) -> str:
    """In whole seconds, minutes, hours or days, the largest two that there are: `1h 5m`."""
    left, parts = int(-(-seconds // 1)), []
    for unit, size in reversed(_UNITS.items()):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def may_approve(asked_by: str, asked_verified: bool, by: str, verified: bool, anonymous: str) -> str | None:
    """Why a person may not approve what another one has asked for; None if they may."""
    if by == anonymous:
        return "somebody with a name has to approve"
    if by == asked_by:
        return f"{by} has asked for it: somebody else has to approve"
    if asked_verified and not verified:
        return f"a login vouched for {asked_by}, so one has to vouch for who approves"
    return None
