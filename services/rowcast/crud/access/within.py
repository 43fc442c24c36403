"""What somebody may see, as conditions of SQL: so that lists, counts and files are of those rows alone."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true

from rowcast.core.policy import Reach, Rights, Rule, is_any

Within = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""The condition that a column's name is within reach."""
_SIGNS = frozenset("*?")
_LIKE = str.maketrans({"*": "%", "?": "_"})


def within(reach: Reach, column: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a column's text is within; false for NULL unless everything is."""
    if reach.everything:
        return true()
    if reach.nothing:
        return false()
    denied = [not_(_fits(column, reach.denied))] if reach.denied else []
    return and_(column.is_not(None), _fits(column, reach.allowed), *denied)


def where_allowed(
    rights: Rights, act: tuple[str, str], renderer: ColumnElement[str], environment: ColumnElement[str]
) -> ColumnElement[bool]:
    """Whether an act, resource and verb, is allowed with the rows of these; NULL is an environment that isn't known."""
    if rights.unlimited:
        return true()
    rules = [rule for rule in rights.rules if rule.is_for(*act)]

    def meets(rule: Rule) -> ColumnElement[bool]:
        its = _fits(renderer, frozenset({rule.renderer}))
        if is_any(rule.environment):
            return its
        # What isn't known may be what is denied, and is nothing that is allowed.
        return and_(its, func.coalesce(_fits(environment, frozenset({rule.environment})), not rule.allows))

    allowed, denied = ([meets(rule) for rule in rules if rule.allows is effect] for effect in (True, False))
    return func.coalesce(and_(or_(false(), *allowed), not_(or_(false(), *denied))), False)


def both_within(reach: Reach, one: ColumnElement[str], other: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether two columns are; one that is NULL is no hindrance: what was made, or has gone, has one side only."""
    if reach.everything:
        return true()
    sides = (or_(side.is_(None), within(reach, side)) for side in (one, other))
    return and_(or_(one.is_not(None), other.is_not(None)), *sides)


def _fits(column: ColumnElement[str], patterns: frozenset[str]) -> ColumnElement[bool]:
    """Whether one of the patterns is of the text: in words that an index of it knows."""
    names = sorted(pattern for pattern in patterns if not _SIGNS & set(pattern))
    likes = (pattern.replace("_", "\\_").translate(_LIKE) for pattern in sorted(patterns.difference(names)))
    return or_(*([column.in_(names)] if names else ()), *(column.like(like, escape="\\") for like in likes))
