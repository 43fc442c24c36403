from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.errors import PermanentError
from rowcast.core.events import Op, decode
from unit.core.changes import event


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_a_change_carries_the_row_after_it(op: str) -> None:
    change = decode(event(op, row_id=42, generation=7, name="cart", lsn=99))

    assert (change.op, change.row.id, change.row.generation, change.row.name) == (Op(op), 42, 7, "cart")
    assert (change.table, change.lsn, change.deleted) == ("app_configs", 99, False)
    assert change.saved_at == "2026-11-22T15:42:27.284Z"


def test_a_deletion_carries_the_row_before_it() -> None:
    change = decode(event("d", row_id=42, generation=8))

    assert change.deleted
    assert (change.row.id, change.row.generation) == (42, 8)


def test_a_row_under_a_temporary_name_is_still_known_by_the_one_before() -> None:
    assert decode(event("u", name="renaming-1", committed_name="cart")).row.name == "cart"
    assert decode(event("d", name="renaming-1", committed_name="cart")).row.name == "cart"
    assert decode(event("u", name="basket", committed_name=None)).row.name == "basket"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"iodebeziumop": "t"}, "iodebeziumop"),
        ({"iodebeziumlsn": "0x1"}, "iodebeziumlsn"),
        ({"iodebeziumlsn": None}, "iodebeziumlsn"),
        ({"iodebeziumtable": 3}, "iodebeziumtable"),
        ({"data": "base64"}, "data"),
        ({"data": {"after": None}}, "data.after"),
        ({"data": {"after": {"id": True}}}, "generation"),
    ],
)
def test_an_undecodable_event_is_permanent_and_names_the_field(broken: dict[str, Any], named: str) -> None:
    with pytest.raises(PermanentError, match=f"^{named}: ") as raised:
        decode({**event(), **broken})

    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize("field", ["id", "name", "repository_url", "branch", "environment", "generation", "updated_by"])
def test_a_row_without_a_field_names_it(field: str) -> None:
    broken = event()
    del broken["data"]["after"][field]

    with pytest.raises(PermanentError, match=f"^{field}: "):
        decode(broken)


def test_a_table_without_a_renderer_is_its_own_reason() -> None:
    with pytest.raises(PermanentError, match="orders") as raised:
        decode({**event(), "iodebeziumtable": "orders"})

    assert raised.value.reason == "unknown-table"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(list(event())), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_arrives_decodes_or_is_permanent(garbage: object) -> None:
    try:
        decode(garbage)
    except PermanentError as error:
        json.dumps(str(error))
