"""Cursors of long keys and values."""

import pytest

from rowcast.crud.paging import decode, encode
from rowcast.crud.renderers.rows import SORTED_TEXT, Order, _cursor


@pytest.mark.parametrize(
    ("order", "values"),
    [
        (Order(), ["\u4e2d" * 400]),
        (Order("title"), [False, "\U0001f600" * SORTED_TEXT, "42"]),
        (Order("title"), [False, "\u4e2d" * SORTED_TEXT, "k" * 1000]),
    ],
    ids=["a key of 400 Chinese characters", "a value of 200 emojis", "a Chinese value and a long key"],
)
def test_a_cursor_that_was_given_out_is_taken(order: Order, values: list[object]) -> None:
    row = {f"sorted_{index}": value for index, value in enumerate(values)}
    cursor = _cursor(order, row, len(values))  # type: ignore[arg-type]
    assert decode(encode(cursor)) == cursor
