"""What anybody can write into labels and annotations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.held import LARGEST, Marks, marks, number
from rowcast.core.render import GENERATION, LSN, MANAGED_BY, MANAGER, ROW_ID, TABLE

LABELS = {MANAGED_BY: MANAGER, TABLE: "app_configs", ROW_ID: "42"}
ANNOTATIONS = {GENERATION: "7", LSN: "99"}

anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=8,
)


def test_labels_say_whose_an_object_is_and_annotations_as_of_when() -> None:
    assert marks(LABELS, ANNOTATIONS) == Marks("app_configs", 42, 7, 99)


@pytest.mark.parametrize("missing", LABELS)
def test_without_one_of_the_labels_it_is_foreign(missing: str) -> None:
    assert marks({name: value for name, value in LABELS.items() if name != missing}, ANNOTATIONS) is None


@pytest.mark.parametrize(
    "value", ["", "²", "-1", "+1", " 1", "1\n", "0x1", "1_000", "9" * 5000, str(2**63), "\u0667", True, 1.0]
)
def test_what_is_no_number_of_ours_is_none(value: object) -> None:
    assert number(value) is None
    assert marks({**LABELS, ROW_ID: value}, ANNOTATIONS) is None
    assert marks(LABELS, {GENERATION: value, LSN: value}) == Marks("app_configs", 42, 0, 0)


@pytest.mark.parametrize("value", [0, 1, "0", "42", LARGEST, str(LARGEST)])
def test_numbers_go_as_far_as_the_databases(value: str | int) -> None:
    assert number(value) == int(value)


@given(anything, anything, anything, anything, anything)
def test_nothing_that_anybody_writes_is_an_error(
    labels: object, annotations: object, table: object, row_id: object, generation: object
) -> None:
    marks(labels, annotations)
    found = marks({**LABELS, TABLE: table, ROW_ID: row_id}, {GENERATION: generation, LSN: generation})
    if found is not None:
        assert 0 <= found.row_id <= LARGEST
        assert 0 <= found.generation <= LARGEST
        assert found.table.isascii()
