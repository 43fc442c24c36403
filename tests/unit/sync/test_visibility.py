"""What a snapshot sees, as PostgreSQL tells it."""

from __future__ import annotations

import pytest

from rowcast.sync.table.visibility import IDS, visibility


@pytest.mark.parametrize(
    ("told", "transaction", "sees"),
    [
        ("10:10:", 9, True),
        ("10:10:", 10, False),
        ("10:10:", 11, False),
        ("10:20:10,14", 10, False),
        ("10:20:10,14", 12, True),
        ("10:20:10,14", 14, False),
        (f"{IDS + 5}:{IDS + 5}:", 4, True),
        (f"{IDS + 5}:{IDS + 5}:", IDS - 1, True),
        (f"{IDS + 5}:{IDS + 7}:{IDS + 5}", 5, False),
        (f"{IDS - 2}:{IDS - 2}:", 3, False),
    ],
)
def test_it_sees_what_had_ended_before_it_also_when_ids_have_wrapped(told: str, transaction: int, sees: bool) -> None:
    assert visibility(told).sees(transaction) is sees


@pytest.mark.parametrize("told", ["", "10", "10:20", "a:b:", "10:20:x"])
def test_what_is_no_snapshot_is_an_error(told: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|invalid literal"):
        visibility(told)
