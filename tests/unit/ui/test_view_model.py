"""What the page shows is computed from rows and the time of looking, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from client.errors import FieldError, RefusedError
from configurations import view_model
from configurations.models import AppConfig, TargetStatus
from dead_letters import view as dead_letters_view
from dead_letters.models import Letter
from shared import failures, formatting

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(row_id: int = 1, *statuses: TargetStatus) -> AppConfig:
    return AppConfig(
        row_id, f"app-{row_id}", "https://git.example/a.git", "main", "prod", 3, NOW, NOW, "maria", statuses
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (0, "just now"),
        (9, "just now"),
        (10, "10 s ago"),
        (59, "50 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 d ago"),
        (86_400 * 400, "400 d ago"),
    ],
)
def test_an_age_has_one_unit(seconds: int, words: str) -> None:
    assert formatting.ago(NOW - timedelta(seconds=seconds), NOW) == words


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=10_000)))
def test_every_age_has_words(span: timedelta) -> None:
    assert formatting.ago(NOW, NOW + span)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (-3, "0 ms"),
        (43, "43 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_949, "59.9 s"),
        (60_000, "1 min"),
        (7_200_000, "2 h"),
    ],
)
def test_a_duration_is_said_in_a_fitting_unit(milliseconds: int, words: str) -> None:
    assert formatting.duration(timedelta(milliseconds=milliseconds)) == words


def test_the_table_has_a_line_per_row_and_a_column_per_target() -> None:
    rows = [row(1, TargetStatus("k8s", "synced"), TargetStatus("git", "failed")), row(2, TargetStatus("git", "synced"))]
    table = view_model.table(rows, NOW)
    assert table.ids == (1, 2)
    assert table.columns["Name"] == ("app-1", "app-2")
    assert table.columns["Repository"] == ("git.example/a", "git.example/a")
    assert table.states == {"Kubernetes": ("synced", "pending"), "Git": ("failed", "synced")}


def test_what_has_been_pending_for_too_long_is_shown_as_overdue() -> None:
    late = row(1, TargetStatus("k8s", "pending", overdue=True), TargetStatus("git", "pending"))
    assert view_model.table([late], NOW).states == {"Kubernetes": ("overdue",), "Git": ("pending",)}
    assert view_model.COLOURS["overdue"] == "red"
    assert view_model.FILTERS[-2:] == ("failed", "deleting")


def test_targets_are_pending_before_any_has_reported() -> None:
    assert view_model.table([row()], NOW).states == {"Kubernetes": ("pending",), "Git": ("pending",)}


def test_unknown_targets_follow_the_known_ones_by_name() -> None:
    statuses = [TargetStatus(target, "synced") for target in ("west", "git", "east", "k8s")]
    assert view_model.targets_of([row(1, *statuses)]) == ("k8s", "git", "east", "west")
    assert [status.target for status in view_model.in_order(statuses)] == ["k8s", "git", "east", "west"]


@pytest.mark.parametrize(
    ("target", "reference", "words"),
    [
        ("k8s", "4711", "resource version 4711"),
        ("git", "9fceb02d0ae598e95dc970b74767f19372d61af8", "commit 9fceb02d0a"),
        ("west", "x1", "x1"),
        ("git", None, ""),
    ],
)
def test_a_reference_is_named_by_its_kind(target: str, reference: str | None, words: str) -> None:
    assert view_model.reference(TargetStatus(target, "synced", reference=reference)) == words


@pytest.mark.parametrize(
    ("page", "shown", "total", "words"),
    [(0, 20, 1234, "1-20 of 1,234"), (2, 3, 43, "41-43 of 43"), (0, 0, 0, "0 of 0")],
)
def test_the_pager_says_which_rows_are_in_sight(page: int, shown: int, total: int, words: str) -> None:
    assert formatting.shown_range(page, 20, shown, total) == words


def test_a_list_that_is_not_counted_to_its_end_says_so() -> None:
    assert formatting.shown_range(0, 20, 20, 10_000, capped=True) == "1-20 of 10,000+"


def test_a_field_shows_its_first_error_and_the_line_shows_the_rest() -> None:
    errors = (
        FieldError("name", "unique", "is taken"),
        FieldError("name", "other", "Second."),
        FieldError("body.branch", "git-branch", "Bad."),
        FieldError("x-rowcast-user", "printable", "must be printable"),
        FieldError("generation", "generation", "not so"),
    )
    assert view_model.by_field(errors) == {"name": "Is taken.", "branch": "Bad."}
    assert (
        failures.complaint(RefusedError(422, "Refused", "not so", errors))
        == "Not so. X-rowcast-user must be printable."
    )


@pytest.mark.parametrize(
    ("text", "row_id"), [("42", 42), (None, None), ("", None), ("-1", None), ("x", None), ("٣", None), ("9" * 20, None)]
)
def test_a_link_names_a_row_or_none(text: str | None, row_id: int | None) -> None:
    assert view_model.row_id(text) == row_id


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_what_others_wrote_is_never_markup(text: str) -> None:
    (paragraph,) = [token for token in MarkdownIt().parse(formatting.plain(text)) if token.type == "inline"]
    kinds = {child.type for child in paragraph.children or ()}
    assert kinds <= {"text", "text_special"}
    assert "".join(child.content for child in paragraph.children or ()) == text


LETTER = Letter(
    id=1,
    state="open",
    target="k8s",
    reason="not-owned",
    error="theirs",
    row_id=7,
    name="shop",
    generation=3,
    position={"__topic": "t", "__offset": "12"},
    occurrences=1,
    dead_lettered_at=datetime(2026, 1, 2, 3, 0, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("letter", "title"),
    [
        (LETTER, "shop at Kubernetes: not-owned, 5 min ago"),
        (replace(LETTER, name=None, occurrences=3), "row 7 at Kubernetes: not-owned, 3 times, 5 min ago"),
        (replace(LETTER, row_id=None, name=None, target="git"), "an event at Git: not-owned, 5 min ago"),
    ],
)
def test_a_letter_is_told_by_its_row_target_reason_and_age(letter: Letter, title: str) -> None:
    assert dead_letters_view.letter_title(letter, datetime(2026, 1, 2, 3, 5, tzinfo=UTC)) == title


def test_a_letters_facts_are_those_that_are_known() -> None:
    assert dead_letters_view.letter_facts(LETTER) == "Row 7, generation 3, offset 12, topic t"
    assert dead_letters_view.letter_facts(replace(LETTER, row_id=None, position={})) == ""


def test_a_resolution_says_who_when_and_why() -> None:
    now = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    assert dead_letters_view.resolution(LETTER, now) == ""
    done = replace(LETTER, state="discarded", resolved_at=now, resolved_by="ada", resolution_reason="a test")
    assert dead_letters_view.resolution(done, now) == "Discarded by ada just now: a test"
    replayed = replace(done, state="replayed", resolution_reason=None, answered_at=now)
    assert dead_letters_view.resolution(replayed, now) == "Replayed by ada just now"
    waits = "Replayed by ada just now, and not settled by its target yet"
    assert dead_letters_view.resolution(replace(replayed, answered_at=None), now) == waits


@pytest.mark.parametrize(
    ("said", "brief"),
    [
        (
            'sync-git can\'t be asked: 500: {"errorCode": "ERR_DIRECT_INVOKE",\n"message": "…"}',
            "sync-git can't be asked.",
        ),
        ("sync-git can't be asked now.", "sync-git can't be asked now."),
        ("it is away", "it is away."),
    ],
)
def test_of_what_a_server_says_no_quoted_answer_is_shown(said: str, brief: str) -> None:
    assert formatting.brief(said) == brief
