"""Comparing text in any case, of all of Unicode: the columns' own collation knows ASCII's letters alone."""

from typing import Any

from sqlalchemy import ColumnElement, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

# From the version on (PostgreSQL's, its major one); both are its own and independent of the machine's libraries.
_COLLATIONS = ((18, "pg_unicode_fast"), (17, "pg_c_utf8"))
_BEFORE = "und-x-icu"


class _Folded(FunctionElement[str]):
    """Upper case, which depends on no neighbours: a lower-case sigma does."""

    type = Text()
    inherit_cache = True


@compiles(_Folded)
def _compile(element: _Folded, compiler: Any, **arguments: Any) -> str:
    version = (compiler.dialect.server_version_info or (0,))[0]
    return folded(compiler.process(element.clauses, **arguments), version)


def collation(version: int) -> str:
    """By which texts are folded on a server of this major version."""
    return next((name for since, name in _COLLATIONS if version >= since), _BEFORE)


def folded(expression: str, version: int) -> str:
    """What texts are compared by on a server of this major version, as SQL."""
    return f'upper({expression} COLLATE "{collation(version)}")'


def contains_in_any_case(column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Whether the column's text has `part` in it."""
    escaped = part.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return _Folded(column).like(_Folded(literal(f"%{escaped}%", Text())), escape="/")
