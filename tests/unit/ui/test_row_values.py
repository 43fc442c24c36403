"""What a form makes of a column's type and value, and what is sent for what was typed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rows import values
from rows.models import Column, Reference
from rows.values import ValueRefusedError

ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)


def column(type: str, **more: Any) -> Column:  # noqa: A002 - as the model has it
    return Column("it", type, **more)


@pytest.mark.parametrize(
    ("of", "value", "field"),
    [
        (column("text"), None, "text"),
        (column("uuid"), "a", "text"),
        (column("timestamp with time zone"), "2026-01-02T03:04:05Z", "text"),
        (column("bigint"), 7, "integer"),
        # A browser's numbers don't hold it.
        (column("bigint"), 2**62, "text"),
        (column("numeric(40,2)"), "1", "number"),
        (column("double precision"), 1.5, "number"),
        (column("date"), "2026-01-02", "date"),
        (column("date"), "infinity", "text"),
        (column("date"), "0044-03-15 BC", "text"),
        (column("jsonb"), "a text", "json"),
        (column("text[]"), ["a"], "json"),
        (column("boolean"), None, "boolean"),
        (column("integer", references=Reference("a", "id")), 1, "reference"),
        (column("plan", values=("free",)), None, "choice"),
        (column("integer", generated=True), 1, "generated"),
    ],
)
def test_a_column_has_the_field_of_its_type_that_can_hold_its_value(of: Column, value: object, field: str) -> None:
    assert values.field_of(of, value) == field


@pytest.mark.parametrize(
    ("of", "typed", "sent"),
    [
        (column("bigint"), str(2**62), 2**62),
        (column("numeric"), "0.1234567890123456789012345678901234567890", "0.1234567890123456789012345678901234567890"),
        (column("double precision"), "NaN", "NaN"),
        (column("integer", references=Reference("a", "id")), "7", 7),
        (column("text"), " a ", " a "),
        (column("text"), "", None),
        (column("text", nullable=False), "", ""),
        (column("jsonb"), "null", None),
        (column("jsonb"), '"a"', "a"),
    ],
)
def test_what_is_typed_is_sent_without_losing_anything(of: Column, typed: str, sent: object) -> None:
    # As a form draws it: a bigint that is too large for a field of numbers is typed as text.
    kind = values.field_of(of, 2**62 if of.type == "bigint" else None)
    assert values.parsed(of, kind, typed, new=False) == sent


def test_in_a_new_row_an_empty_field_is_the_default() -> None:
    of = column("text", nullable=False, has_default=True)
    assert values.parsed(of, "text", "", new=True) is None
    assert not values.required(of, new=True)
    assert values.required(of, new=False)


@pytest.mark.parametrize(
    ("of", "typed"),
    [
        (column("numeric"), "a"),
        (column("numeric"), "1,5"),
        (column("jsonb"), "{"),
        (column("text[]"), "a, b"),
        (column("integer", references=Reference("a", "id")), "seven"),
    ],
)
def test_what_is_no_value_of_the_type_is_refused(of: Column, typed: str) -> None:
    with pytest.raises(ValueRefusedError):
        values.parsed(of, values.field_of(of), typed, new=False)


@given(ANY_JSON)
def test_json_that_is_shown_to_be_edited_is_what_it_was(value: Any) -> None:
    if value is not None:
        assert json.loads(values.as_document(value)) == value


def test_only_what_differs_is_changed() -> None:
    before = {"a": None, "b": 1, "c": "x"}
    assert values.changed(before, {"a": None, "b": 2, "c": "x", "d": None}) == {"b": 2, "d": None}


def test_what_the_database_makes_and_the_key_of_a_row_are_nobodys_to_write() -> None:
    columns = (Column("id", "bigint", key=True), Column("slug", "text"), Column("label", "text", generated=True))
    row = {"id": 1, "slug": "a", "label": "A", "related": []}
    assert values.writable(columns, row, new=False) == {"slug": "a"}
    assert values.writable(columns, row, new=True) == {"id": 1, "slug": "a"}
