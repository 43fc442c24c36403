"""ETags and conditional requests (RFC 9110, sections 8.8.3 and 13). A row's ETag is its generation."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import RowMapping

from rowcast.crud.errors import FieldError, StaleGenerationError

_ELEMENT = re.compile(r'[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")?[ \t]*(?:,|$)')
"""An element of a list, which may be empty (section 5.6.1.2)."""


@dataclass(frozen=True)
class ETags:
    """What a conditional header lists; `any` stands for `*`."""

    any: bool
    tags: tuple[str, ...]


def etag(generation: int) -> str:
    """The strong ETag of a row at this generation, such as `"7"`."""
    return f'"{generation}"'


def parse(header: str, value: str) -> ETags:
    """The ETags of a conditional header. Raises FieldError (rule `etag`) naming `header`."""
    if value.strip() == "*":
        return ETags(True, ())
    tags, place = [], 0
    while place < len(value):
        element = _ELEMENT.match(value, place)
        if element is None:
            break
        tags.append(element[1])
        place = element.end()
    given = tuple(tag for tag in tags if tag is not None)
    if place < len(value) or not given:
        raise FieldError(header, "etag", 'must be "*" or ETags in double quotes, as GET answers them')
    return ETags(False, given)


def expectation(if_match: str | None, if_none_match: str | None = None) -> Callable[[RowMapping], None]:
    """A check that raises StaleGenerationError unless the row is one that `If-Match` names (compared strongly), or if
    it is one that `If-None-Match` names (a method that changes something is not done then, section 13.1.2).
    """
    expected = None if if_match is None else parse("If-Match", if_match)

    def expect(row: RowMapping) -> None:
        unlike = expected is not None and not expected.any and etag(row["generation"]) not in expected.tags
        if unlike or not_modified(if_none_match, row["generation"]):
            what = f"configuration {row['id']}" if "id" in row else f"row {row['key']}"
            raise StaleGenerationError(what, row["generation"])

    return expect


def not_modified(if_none_match: str | None, generation: int) -> bool:
    """Whether the caller has this generation already (compared weakly)."""
    if if_none_match is None:
        return False
    known = parse("If-None-Match", if_none_match)
    return known.any or etag(generation) in (tag.removeprefix("W/") for tag in known.tags)
