"""The page of dead letters, run by Streamlit's own AppTest on the fake that ships beside the port."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from dead_letters.models import Letter
from shared.formatting import plain
from unit.ui.driver import DOWN, click, opened, run, write
from unit.ui.fakes.client import FakeClient, FakeTable

LETTER = Letter(
    id=1,
    state="open",
    target="k8s",
    reason="not-owned",
    error="shop exists and is *not* managed by rowcast",
    row_id=7,
    name="shop",
    generation=3,
    position={"__offset": "12", "__partition": "0"},
    occurrences=2,
    dead_lettered_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def titles(at: AppTest) -> list[str]:
    return [expander.label.partition("\\:")[0] for expander in at.expander]


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable()
    table.refuse(LETTER, {"data": {"after": {"name": "shop"}}})
    table.refuse(replace(LETTER, id=2, target="git", row_id=None, name=None, reason="undecodable"), "garbage")
    return table


def test_a_letter_shows_its_reason_error_row_position_and_payload(table: FakeTable) -> None:
    at = opened(table, "Dead letters")
    assert titles(at) == ["an event at Git", "shop at Kubernetes"]
    assert plain("not-owned, 2 times") in at.expander[1].label
    assert at.expander[1].error[0].value == plain(LETTER.error)
    assert at.expander[1].caption[0].value == plain("Row 7, generation 3, offset 12, partition 0")
    assert at.code == []
    for toggle in ("event:1", "event:2"):
        at.toggle(key=toggle).set_value(True)
    run(at)
    assert '"name": "shop"' in at.expander[1].code[0].value
    assert at.expander[0].code[0].value == '"garbage"'


def test_a_target_and_a_state_narrow_the_list(table: FakeTable) -> None:
    at = opened(table, "Dead letters")
    at.selectbox(key="letter_target").set_value("k8s")
    assert len(run(at).expander) == 1
    at.selectbox(key="letter_state").set_value("discarded")
    assert "No dead letter matches." in [text.value for text in run(at).markdown]


def test_every_target_that_crud_delivers_to_narrows_the_list(table: FakeTable) -> None:
    table.policies.targets = ("k8s", "git", "k8s-eu")
    table.refuse(replace(LETTER, id=3, target="k8s-eu"), "garbage")
    at = opened(table, "Dead letters")
    assert at.selectbox(key="letter_target").options == ["Kubernetes", "Git", "k8s-eu"]
    at.selectbox(key="letter_target").set_value("k8s-eu")
    assert titles(run(at)) == [f"shop at {plain('k8s-eu')}"]


def test_no_letter_is_good_news() -> None:
    assert any(text.value.startswith("No dead letter is open") for text in opened(FakeTable(), "Dead letters").markdown)


def test_a_replay_is_confirmed_and_done_as_the_person(table: FakeTable) -> None:
    at = opened(table, "Dead letters")
    next(button for button in at.button if button.key == "Replay:1").click()
    run(at)
    assert table.letters[1].state == "open"
    click(at, "Replay it")
    assert (table.letters[1].state, table.letters[1].resolved_by) == ("replayed", "maria")
    assert len(at.expander) == 1


def test_a_discard_asks_why(table: FakeTable) -> None:
    at = opened(table, "Dead letters")
    next(button for button in at.button if button.key == "Discard:1").click()
    run(at)
    assert next(button for button in at.button if button.label == "Discard it").disabled
    click(write(at, "Reason", "a test"), "Discard it")
    assert (table.letters[1].state, table.letters[1].resolution_reason) == ("discarded", "a test")

    at.selectbox(key="letter_state").set_value("discarded")
    assert any("Discarded by maria" in info.value for info in run(at).info)


def test_all_in_sight_are_replayed_at_once(table: FakeTable) -> None:
    click(click(opened(table, "Dead letters"), "Replay these 2"), "Replay them")
    assert {letter.state for letter in table.letters.values()} == {"replayed"}


def test_a_letter_that_somebody_else_resolved_meanwhile_says_so(table: FakeTable) -> None:
    at = opened(table, "Dead letters")
    next(button for button in at.button if button.key == "Replay:1").click()
    run(at)
    FakeClient(table, "jonas").discard((1,), "mine")
    click(at, "Replay it")
    assert any(plain("was discarded by jonas") in error.value for error in at.error)
    assert table.letters[1].state == "discarded"


def test_pages_go_forth_and_back(table: FakeTable) -> None:
    for number in range(3, 31):
        table.refuse(replace(LETTER, id=number), None)
    at = opened(table, "Dead letters")
    assert "1-20 of 30" in [caption.value for caption in at.caption]
    click(at, "Next")
    assert "21-30 of 30" in [caption.value for caption in at.caption]
    click(at, "Previous")
    assert "1-20 of 30" in [caption.value for caption in at.caption]


def test_a_service_that_is_down_is_one_line_with_a_retry(table: FakeTable) -> None:
    table.down = DOWN
    at = opened(table, "Dead letters")
    assert [error.value for error in at.error] == [plain(DOWN)]
    table.down = None
    assert len(click(at, "Retry").expander) == 2
