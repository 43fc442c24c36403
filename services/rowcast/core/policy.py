"""Who may do what: a policy in the form that Argo CD's has, read whole or not at all, and asked. Pure.

    p, role:editor, rows, edit, tenants/*, allow
    p, group:interns, rows, *, */prod, deny
    g, alice@example.com, role:editor
    approval, */prod

A line that denies wins over any that allow. `approval` is a line of ours: changes there are proposals, which another
person approves; whoever else reads the file (PyCasbin) passes it by. https://argo-cd.readthedocs.io/en/stable/operator-manual/rbac/
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rowcast.core.errors import RowcastError

ROLE, GROUP, APP, SUBJECT = "role:", "group:", "app:", "sub:"
"""What names begin with that are of a role, a group, an application behind a sidecar, an issuer's subject."""
ANONYMOUS = "anonymous"
"""Whoever is not known."""
ANY = "*"
_PATTERN = re.compile(r"[A-Za-z0-9*?._-]{1,253}")

RESOURCES: Mapping[str, tuple[str, ...]] = {
    "rows": ("view", "edit", "delete", "operate", "approve"),
    "promotions": ("promote", "approve"),
    "renderers": ("view", "impact"),
    "rollouts": ("start", "operate"),
    "reconciles": ("view", "start"),
    "pipeline": ("view",),
    "audit": ("view",),
}
"""What can be done with what. `operate` of rows: replay and discard their dead letters; `approve`:
changes that others propose."""
OF_ROWS = frozenset({"rows", "promotions"})
"""Whose objects are renderer/environment; those of others are one name: a renderer, a target, or `*`."""
BUILT_IN = """\
p, role:admin, *, *, */*, allow
p, role:readonly, *, view, */*, allow
g, role:admin, role:readonly
"""
_BUILT_IN_LINE = 0


class PolicyError(RowcastError):
    """The policy can't be used; `problems` says why, each with its line."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Rule:
    """One line that allows or denies. `renderer` is the name before the slash, whatever the resource calls it."""

    line: int
    subject: str
    resource: str
    verb: str
    renderer: str
    environment: str
    allows: bool

    def is_for(self, resource: str, verb: str) -> bool:
        """Whether it says anything about such an act: what has no environment, one of an environment is not about."""
        if resource not in OF_ROWS and not is_any(self.environment):
            return False
        return self.resource in (ANY, resource) and self.verb in (ANY, verb)

    def __str__(self) -> str:
        effect = "allow" if self.allows else "deny"
        where = f"{self.renderer}/{self.environment}"
        return f"p, {self.subject}, {self.resource}, {self.verb}, {where}, {effect}"


@dataclass(frozen=True)
class Decision:
    """Whether something is allowed, and why: the line that decided, None where no line allows it."""

    allowed: bool
    rule: Rule | None = None

    @property
    def why(self) -> str:
        """In words."""
        if self.rule is None:
            return "everything is allowed here" if self.allowed else "no line of the policy allows it"
        verb = "allows" if self.allowed else "denies"
        where = f"line {self.rule.line}" if self.rule.line else "a built-in role"
        return f"{where} {verb} it ({self.rule})"


@dataclass(frozen=True)
class Reach:
    """Which names of one kind are within: those that one of `allowed` fits and none of `denied`, as patterns."""

    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether no name is without."""
        return not self.denied and any(is_any(pattern) for pattern in self.allowed)

    @property
    def nothing(self) -> bool:
        """Whether no name is within, as far as can be told from the patterns."""
        return not self.allowed or any(is_any(pattern) for pattern in self.denied)

    def __contains__(self, name: str) -> bool:
        return any(fits(each, name) for each in self.allowed) and not any(fits(each, name) for each in self.denied)


EVERYTHING = Reach(frozenset({ANY}))


@dataclass(frozen=True)
class Rights:
    """The lines that are of one person, by their own name, their groups and the roles of these."""

    rules: Sequence[Rule] = ()
    unlimited: bool = False
    """Whether no policy is asked."""
    held: Mapping[str, str] = field(default_factory=dict)
    """By name that the person goes by: the one through which; empty for their own."""

    def decide(self, resource: str, verb: str, renderer: str | None, environment: str | None = None) -> Decision:
        """Whether it is allowed with one name, or, where that is None, with all that there are or could be."""
        if self.unlimited:
            return Decision(True)
        rules = [rule for rule in self.rules if rule.is_for(resource, verb)]
        denying = (rule for rule in rules if not rule.allows)
        for rule in denying:
            if meets(rule.renderer, renderer) and meets(rule.environment, environment):
                return Decision(False, rule)
        allowing = (rule for rule in rules if rule.allows)
        for rule in allowing:
            if covers(rule.renderer, renderer) and covers(rule.environment, environment):
                return Decision(True, rule)
        return Decision(False)

    def environments(self, resource: str, verb: str, renderer: str) -> Reach:
        """Where it is allowed with a renderer's."""
        if self.unlimited:
            return EVERYTHING
        rules = [rule for rule in self.rules if rule.is_for(resource, verb) and fits(rule.renderer, renderer)]
        return Reach(
            frozenset(rule.environment for rule in rules if rule.allows),
            frozenset(rule.environment for rule in rules if not rule.allows),
        )

    def anywhere(self, resource: str, verb: str, renderer: str) -> bool:
        """Whether it is allowed with at least some of a renderer's, as far as the patterns tell."""
        return not self.environments(resource, verb, renderer).nothing


UNLIMITED = Rights(unlimited=True)


@dataclass(frozen=True)
class Approval:
    """A line by which changes of an environment's rows want an approval."""

    line: int
    renderer: str
    environment: str

    def __str__(self) -> str:
        return f"approval, {self.renderer}/{self.environment}"


@dataclass(frozen=True)
class Approvals:
    """Where changes want an approval."""

    lines: Sequence[Approval] = ()

    def __bool__(self) -> bool:
        return bool(self.lines)

    def wanted(self, renderer: str, environment: str | None = None) -> Approval | None:
        """The line by which a change wants one; None for the environment is any that there may be."""
        fitting = (
            each for each in self.lines if fits(each.renderer, renderer) and meets(each.environment, environment)
        )
        return next(fitting, None)

    def environments(self, renderer: str) -> list[str]:
        """Patterns of those of a renderer."""
        return sorted({each.environment for each in self.lines if fits(each.renderer, renderer)})


EVERYWHERE = Approvals((Approval(0, ANY, ANY),))


@dataclass(frozen=True)
class Policy:
    """All lines: what they allow and deny, by whom roles are held, and where changes want an approval."""

    rules: Sequence[Rule] = ()
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By member: the roles that it has."""
    approvals: Approvals = Approvals()

    def rights(self, names: Iterable[str]) -> Rights:
        """Those of somebody who goes by all of these names."""
        held: dict[str, str] = dict.fromkeys(names, "")
        waiting = list(held)
        while waiting:
            member = waiting.pop()
            for role in sorted(self.grants.get(member, ())):
                if role not in held:
                    held[role] = member
                    waiting.append(role)
        return Rights([rule for name in held for rule in self._by_subject.get(name, ())], held=held)

    @cached_property
    def _by_subject(self) -> Mapping[str, Sequence[Rule]]:
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            found.setdefault(rule.subject, []).append(rule)
        return found


def read_policy(text: str) -> Policy:
    """The policy, with the built-in roles. Raises PolicyError with everything that is wrong."""
    rules: list[Rule] = []
    grants: dict[str, set[str]] = {}
    approvals: list[Approval] = []
    problems: list[str] = []
    places: dict[str, int] = {}
    lines = [(_BUILT_IN_LINE, line) for line in BUILT_IN.splitlines()]
    lines += list(enumerate(text.lstrip("\ufeff").split("\n"), 1))
    for number, line in lines:
        cells = _cells(line)
        if cells is None:
            problems.append(f"line {number}: is no line of comma-separated values")
            continue
        match cells:
            case []:
                continue
            case ["p", *rest]:
                rule = _rule(number, rest)
                if isinstance(rule, Rule):
                    rules.append(rule)
                else:
                    problems += [f"line {number}: {each}" for each in rule]
            case ["g", member, role]:
                wrong = _grant_problem(member, role)
                if wrong:
                    problems.append(f"line {number}: {wrong}")
                grants.setdefault(member, set()).add(role)
                places.setdefault(role, number)
            case ["g", *_]:
                problems.append(f"line {number}: must be g, MEMBER, role:NAME")
            case ["approval", target]:
                renderer, _, environment = target.partition("/")
                if _PATTERN.fullmatch(renderer) and _PATTERN.fullmatch(environment):
                    approvals.append(Approval(number, renderer, environment))
                else:
                    problems.append(
                        f"line {number}: the object {target!r} must be renderer/environment, with * and ? for any part"
                    )
            case ["approval", *_]:
                problems.append(f"line {number}: must be approval, RENDERER/ENVIRONMENT")
            case _:
                problems.append(f"line {number}: must begin with p, g or approval, not {cells[0]!r}")
    known = {rule.subject for rule in rules} | set(grants)
    problems += [
        f"line {place}: no line says what {role} may do" for role, place in places.items() if role not in known
    ]
    if problems:
        raise PolicyError(problems)
    return Policy(rules, {member: frozenset(roles) for member, roles in grants.items()}, Approvals(approvals))


def _cells(line: str) -> list[str] | None:
    if not line.strip() or line.lstrip().startswith("#"):
        return []
    try:
        rows = list(csv.reader([line.strip()], skipinitialspace=True, strict=True))
    except csv.Error:
        return None
    return [cell.strip() for cell in rows[0]] if len(rows) == 1 else None


def _rule(number: int, cells: Sequence[str]) -> "Rule | list[str]":
    if len(cells) != 5:
        return ["must be p, SUBJECT, RESOURCE, VERB, OBJECT, allow or deny"]
    subject, resource, verb, target, effect = cells
    problems = list(_subject_problems(subject))
    if resource not in (ANY, *RESOURCES):
        problems.append(f"the resource {resource!r} is none of {', '.join((*RESOURCES, ANY))}")
    verbs = sorted({each for of in RESOURCES.values() for each in of}) if resource == ANY else RESOURCES.get(resource)
    if verbs is not None and verb not in (ANY, *verbs):
        problems.append(f"the verb {verb!r} of {resource} is none of {', '.join((*verbs, ANY))}")
    renderer, slash, environment = target.partition("/")
    environment = environment if slash else ANY
    if not (_PATTERN.fullmatch(renderer) and _PATTERN.fullmatch(environment)):
        problems.append(f"the object {target!r} must be renderer/environment, or a name, with * and ? for any part")
    elif not is_any(environment) and resource not in (ANY, *OF_ROWS):
        problems.append(f"the object {target!r} names an environment: {resource} have none")
    elif slash == "" and resource in OF_ROWS and target != ANY:
        problems.append(f"the object {target!r} must be renderer/environment: {target}/* for all of them")
    if effect not in ("allow", "deny"):
        problems.append(f"the effect {effect!r} must be allow or deny")
    return problems or Rule(number, subject, resource, verb, renderer, environment, effect == "allow")


def _grant_problem(member: str, role: str) -> str | None:
    if not role.startswith(ROLE) or role == ROLE:
        return f"{role!r} must be a role, as role:NAME"
    return next(_subject_problems(member), None)


def _subject_problems(subject: str) -> Iterator[str]:
    if not subject or subject in (ROLE, GROUP, APP, SUBJECT):
        yield "the subject is empty"
    elif ANY in subject:
        yield f"the subject {subject!r} must be a name: what everybody may, the default role says"


def fits(pattern: str, name: str) -> bool:
    """Whether a pattern is of a name: `*` is any text, `?` any character."""
    signs = {"*": ".*", "?": ".", ".": "[.]"}
    expression = "".join(signs.get(character, character) for character in pattern)
    return re.fullmatch(expression, name, re.DOTALL) is not None


def is_any(pattern: str) -> bool:
    """Whether a pattern is of every name."""
    return set(pattern) == {ANY}


def covers(pattern: str, name: str | None) -> bool:
    """Whether a pattern is of a name, or, for None, of all."""
    return is_any(pattern) if name is None else fits(pattern, name)


def meets(pattern: str, name: str | None) -> bool:
    """Whether a pattern is of a name, or, for None, of any that there may be."""
    return name is None or fits(pattern, name)


def may_not(subject: str, verb: str, resource: str, where: str, why: str) -> str:
    """What somebody is told whom the policy refuses."""
    return f"{subject} may not {verb} {resource} of {where}: {why}"
