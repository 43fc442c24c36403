import base64
import json
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.crud.errors import FieldError
from rowcast.crud.paging import Cursor, decode, encode

IDS = st.integers(0, 2**63 - 1)
NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=63)
TIMES = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
CURSORS = (
    st.builds(Cursor, st.sampled_from(["name", "-name"]), NAMES, IDS)
    | st.builds(Cursor, st.sampled_from(["updated_at", "-updated_at"]), TIMES, IDS)
    | st.builds(Cursor, st.sampled_from(["id", "-id"]), IDS.map(str), IDS)
    | st.builds(Cursor, st.sampled_from(["history", "activity"]), st.just(""), IDS)
)


def made(*inside: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(inside, separators=(",", ":")).encode()).decode().rstrip("=")


@given(CURSORS)
def test_a_cursor_survives_its_way_through_a_client(cursor: Cursor) -> None:
    text = encode(cursor)
    assert decode(text) == cursor
    assert text.isascii()
    assert not set(text) & set("+/=&?# ")


@given(st.text(max_size=200) | st.binary(max_size=50).map(lambda raw: raw.hex()))
def test_any_text_is_a_cursor_or_refused_by_name(text: str) -> None:
    with suppress(FieldError):
        assert isinstance(decode(text), Cursor)


@pytest.mark.parametrize(
    "inside",
    [
        (1, "updated_at", "0000-01-01T00:00:00+00:00", 1),
        (1, "updated_at", "0001-01-01T00:00:00+14:00", 1),
        (1, "-updated_at", "9999-12-31T23:59:59-14:00", 1),
        (1, "updated_at", "10000-01-01T00:00:00+00:00", 1),
        (1, "updated_at", "2026-01-01T00:00:00", 1),
        (1, "updated_at", "2026-01-01", 1),
        (1, "updated_at", "infinity", 1),
        (1, "updated_at", "20260101T000000Z", 1),
        (1, "id", "1_0", 1),
        (1, "id", " 1", 1),
        (1, "id", "-1", 1),
        (1, "id", "9" * 30, 1),
        (1, "id", "9" * 700, 1),
        (1, "id", "1", 2**63),
        (1, "id", "1", -1),
        (1, "id", "1", True),
        (1, "id", "1", 1.0),
        (True, "id", "1", 1),
        (1.0, "id", "1", 1),
        (1, "name", "\ud800", 1),
        (1, "name", "\0", 1),
        (1, ["name"], "a", 1),
        (1, "name", "a", 1, 2),
    ],
)
def test_one_with_another_inside_than_was_given_out_is_refused(inside: tuple[object, ...]) -> None:
    with pytest.raises(FieldError):
        decode(made(*inside))


@pytest.mark.parametrize("text", ["", "e30", "bnVsbA", "W10", "[" * 1000])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        decode(text)
