"""What crosses a wire is bounded, whatever is in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.errors import PermanentError
from rowcast.core.messages import ERROR_BYTES, Status, clip, status, status_message, status_messages, wire_bytes
from rowcast.core.outcomes import Outcome
from rowcast.core.ports import Delivered, Failed, News
from rowcast.core.row import app_config

NOW = "2026-11-28T12:00:00.000000+00:00"


def told_of(row_id: int, saved_at: str | None = None) -> News:
    return News(app_config(row_id), "a", 1, False, Delivered(Outcome.CREATED), saved_at)


def made(error: str | None = None, saved_at: str | None = None, row_id: int = 1) -> Status:
    result = Delivered(Outcome.CREATED, trouble=error)
    return status(told_of(row_id, saved_at), result, NOW)


@given(st.text(st.characters(), max_size=200), st.integers(60, 300))
def test_clipped_text_is_within_its_limit_and_can_be_written_and_kept(text: str, limit: int) -> None:
    clipped = clip(text, limit)

    assert len(clipped.encode()) <= limit
    assert "\0" not in clipped


def test_what_was_clipped_says_so_and_keeps_whole_characters() -> None:
    assert clip("\N{ROCKET}" * 100, 60).startswith("\N{ROCKET}" * 9)
    assert clip("\N{ROCKET}" * 100, 60).endswith("… (100 characters)")
    assert clip("as it is", 60) == "as it is"


@pytest.mark.parametrize("size", [10_000, 3_000_000])
def test_an_error_of_any_size_is_bounded_in_a_status(size: int) -> None:
    error = str(made("<" * size)["error"])

    assert len(error.encode()) <= ERROR_BYTES
    assert f"({size} characters)" in error


def test_a_failure_has_its_error() -> None:
    failed = status(told_of(1), Failed(PermanentError("rejected", "no")), NOW, outcome="dead-lettered")

    assert (failed["outcome"], failed["error"]) == ("dead-lettered", "no")


@pytest.mark.parametrize(
    ("saved_at", "told"),
    [
        ("2026-11-28T11:59:59.5Z", True),
        ("2026-11-28T12:10:00Z", True),
        ("2036-11-28T12:00:00Z", False),
        ("9999-12-31T23:59:59Z", False),
        ("2026-11-28T11:59:59", False),
        ("yesterday", False),
        (None, False),
    ],
)
def test_a_moment_ahead_of_our_clock_is_no_moment_that_a_change_was_saved(saved_at: str | None, told: bool) -> None:
    assert made(saved_at=saved_at)["saved_at"] == (saved_at if told else None)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=60), st.integers(1_000, 20_000))
def test_messages_are_within_their_limit_and_no_status_is_lost_or_moved(errors: list[str], limit: int) -> None:
    statuses = [made(error, row_id=number) for number, error in enumerate(errors)]

    messages = list(status_messages("k8s", statuses, limit))

    assert [one for message in messages for one in message["statuses"]] == statuses
    for message in messages:
        assert len(message["statuses"]) == 1 or sum(map(wire_bytes, message["statuses"])) <= limit
        assert len(json.dumps(message, ensure_ascii=False).encode()) <= wire_bytes(message)


def test_what_a_sidecar_escapes_is_counted() -> None:
    assert wire_bytes("<>&") == 2 + 3 * len("\\u003c")


@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_what_an_engine_says_of_many_rows_is_bounded(rows: int) -> None:
    said = "a webhook denied the request: " + "no " * 10_000
    progress = {"application": "a", "message": said, "errors": {str(row_id): said for row_id in range(rows)}}

    told = status_message("git", [], progress)["progress"]

    assert wire_bytes(told) <= 128 * 1024
    assert len(told["errors"]) == rows
    assert all(text.startswith("a webhook") for text in told["errors"].values())


def test_what_an_engine_says_in_few_words_is_told_as_it_is() -> None:
    progress = {"application": "a", "message": None, "errors": {"1": "denied"}, "pending": [1]}
    assert status_message("git", [], progress)["progress"] == progress
    assert status_message("git", [], "none")["progress"] == "none"
