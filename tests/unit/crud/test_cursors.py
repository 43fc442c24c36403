from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.crud.cursors import Cursor, decode, encode
from rowcast.crud.errors import FieldError

SORTS = st.sampled_from(["name", "-name", "updated_at", "id", "history"])
KEYS = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=63)


@given(st.builds(Cursor, SORTS, KEYS, st.integers(0, 2**63 - 1)))
def test_a_cursor_survives_its_way_through_a_client(cursor: Cursor) -> None:
    text = encode(cursor)
    assert decode(text) == cursor
    assert text.isascii()
    assert not set(text) & set("+/=&?# ")


@given(st.text(max_size=200) | st.binary(max_size=50).map(lambda raw: raw.hex()))
def test_any_text_is_a_cursor_or_refused_by_name(text: str) -> None:
    with suppress(FieldError):
        assert isinstance(decode(text), Cursor)


@pytest.mark.parametrize("text", ["", "e30", "bnVsbA", "W10", "[" * 1000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        decode(text)
