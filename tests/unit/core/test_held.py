"""What anybody can write into labels and annotations."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.held import LARGEST, Marks, marks, number
from rowcast.core.render import GENERATION, KEY, LSN, MANAGED_BY, MANAGER, RENDERER, ROW_ID, TABLE, TARGET, labels_of
from rowcast.core.row import RowKey, app_config, as_label

LABELS = {MANAGED_BY: MANAGER, TABLE: "app_configs", ROW_ID: "42"}
LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""As Kubernetes has it."""
ANNOTATIONS = {GENERATION: "7", LSN: "99"}

anything: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=8,
)


def test_labels_say_whose_an_object_is_and_annotations_as_of_when() -> None:
    assert marks(LABELS, ANNOTATIONS) == Marks(app_config(42), 7, 99)


@pytest.mark.parametrize(
    ("label", "target", "other"),
    [
        ({}, "k8s", ""),
        ({}, "git", ""),
        ({}, "k8s-eu", "a target without a name"),
        ({TARGET: "k8s-eu"}, "k8s-eu", ""),
        ({TARGET: "k8s-eu"}, "k8s", "the target k8s-eu"),
        ({TARGET: "k8s-eu"}, "k8s-us", "the target k8s-eu"),
        ({TARGET: 7}, "k8s", "the target 7"),
    ],
)
def test_an_object_says_which_target_has_made_it(label: dict[str, Any], target: str, other: str) -> None:
    found = marks({**LABELS, **label}, ANNOTATIONS)
    assert found is not None
    assert found.of_another(target) == other


@pytest.mark.parametrize("missing", LABELS)
def test_without_one_of_the_labels_it_is_foreign(missing: str) -> None:
    assert marks({name: value for name, value in LABELS.items() if name != missing}, ANNOTATIONS) is None


@pytest.mark.parametrize(
    "value", ["", "²", "-1", "+1", " 1", "1\n", "0x1", "1_000", "9" * 5000, str(2**63), "\u0667", True, 1.0]
)
def test_what_is_no_number_of_ours_is_none(value: object) -> None:
    assert number(value) is None
    assert marks({**LABELS, ROW_ID: value}, ANNOTATIONS) is None
    assert marks(LABELS, {GENERATION: value, LSN: value}) == Marks(app_config(42), 0, 0)


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
        assert 0 <= int(found.row.key) <= LARGEST
        assert 0 <= found.generation <= LARGEST


keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80)


@given(keys)
def test_a_row_of_any_table_is_found_again_by_what_its_objects_carry(key: str) -> None:
    row = RowKey("tenants", key)
    labels = labels_of(row)
    assert all(LABEL_VALUE.fullmatch(value) for value in labels.values())
    assert marks(labels, {**ANNOTATIONS, KEY: key}) == Marks(row, 7, 99)


@pytest.mark.parametrize("key", ["other", "", "\udc00odd1.5", None, 7])
def test_a_key_that_is_not_the_labels_is_nobodys_word(key: object) -> None:
    assert marks(labels_of(RowKey("tenants", "acme")), {**ANNOTATIONS, KEY: key}) is None


@given(keys, keys)
def test_different_keys_have_different_labels(one: str, other: str) -> None:
    assert (as_label(one) == as_label(other)) == (one == other)


@pytest.mark.parametrize("renderer", ["appconfigs", "Tenants", "a/b", "", "x" * 64, None])
def test_a_renderer_that_can_not_be_one_is_foreign(renderer: object) -> None:
    labels = {**labels_of(RowKey("tenants", "1")), RENDERER: renderer}
    assert marks(labels, {**ANNOTATIONS, KEY: "1"}) is None
