import pytest

from rowcast.crud.errors import FieldError
from rowcast.crud.rows.preconditions import ETags, etag, not_modified, parse


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("*", ETags(True, ())),
        ('"7"', ETags(False, ('"7"',))),
        (' "7" , W/"8"', ETags(False, ('"7"', 'W/"8"'))),
        ('"a,b"', ETags(False, ('"a,b"',))),
    ],
)
def test_a_list_of_etags_is_read(value: str, expected: ETags) -> None:
    assert parse("If-Match", value) == expected


@pytest.mark.parametrize("value", ["", "7", '"7', '"7" "8"', "W/7", '*, "7"'])
def test_what_is_no_list_of_etags_is_refused_by_its_header(value: str) -> None:
    with pytest.raises(FieldError) as refused:
        parse("If-Match", value)
    assert (refused.value.field, refused.value.rule) == ("If-Match", "etag")


def test_without_a_condition_a_row_is_always_sent() -> None:
    assert not not_modified(None, 7)
    assert not_modified(etag(7), 7)
    assert not not_modified(etag(6), 7)
