"""What somebody may see, as conditions of SQL: so that lists, counts and files are of those rows alone."""

from collections.abc import Callable

from sqlalchemy import ColumnElement, and_, false, literal, not_, or_, true

from rowcast.core.policy import Reach, as_regex

Within = Callable[[ColumnElement[str]], ColumnElement[bool]]
"""The condition that a column's name is within reach."""


def within(reach: Reach, column: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a column's text is within; false for NULL unless everything is."""
    if reach.everything:
        return true()
    if reach.nothing:
        return false()
    allowed = column.regexp_match(_any(reach.allowed))
    denied = [not_(column.regexp_match(_any(reach.denied)))] if reach.denied else []
    return and_(column.is_not(None), allowed, *denied)


def both_within(reach: Reach, one: ColumnElement[str], other: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether two columns are; one that is NULL is no hindrance: what was made, or has gone, has one side only."""
    if reach.everything:
        return true()
    sides = (or_(side.is_(None), within(reach, side)) for side in (one, other))
    return and_(or_(one.is_not(None), other.is_not(None)), *sides)


def _any(patterns: frozenset[str]) -> ColumnElement[str]:
    return literal(f"^({'|'.join(as_regex(pattern) for pattern in sorted(patterns))})$")
