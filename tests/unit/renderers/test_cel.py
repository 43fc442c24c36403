"""A column that is read without CEL is what CEL makes of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.renderer import ExpressionError
from rowcast.core.shapes import Column, RowShape
from rowcast.renderers.cel import Language

VALUES = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats() | st.integers(-(2**54), 2**54),
    "bool": st.booleans(),
    "string": st.text(),
}
COLUMNS = {
    f"{kind}_{nullable}": Column(f"{kind}_{nullable}", kind, nullable) for kind in VALUES for nullable in (True, False)
}
LANGUAGE = Language(RowShape(COLUMNS))
DIRECT = {name: LANGUAGE.compile(f"row.{name}", name) for name in COLUMNS}
BY_CEL = {name: LANGUAGE.compile(f"(row.{name})", name) for name in COLUMNS}


def given_by(compiled: Any, variables: dict[str, Any]) -> object:
    try:
        value = compiled.evaluate(variables)
    except ExpressionError as error:
        return error.message
    return type(value), value


@given(st.fixed_dictionaries({name: st.none() | VALUES[column.type] for name, column in COLUMNS.items()}))
def test_a_column_alone_is_what_cel_gives_of_it(row: dict[str, Any]) -> None:
    variables = {"row": LANGUAGE.row(row)}

    for name in COLUMNS:
        assert given_by(DIRECT[name], variables) == given_by(BY_CEL[name], variables), name


def test_expressions_of_two_rows_that_come_in_turn_have_each_their_own() -> None:
    compiled = LANGUAGE.compile("string(row.int_False) + 'x'", "place")
    rows = [{"row": LANGUAGE.row({"int_False": number})} for number in (1, 2)]

    assert [compiled.evaluate(each) for each in (*rows, *rows)] == ["1x", "2x", "1x", "2x"]
