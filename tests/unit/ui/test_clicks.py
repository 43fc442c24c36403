"""A click does what it is for, though the page is drawn anew meanwhile."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner

from configurations import detail_view, forms
from configurations.models import Draft
from preview import view as preview_view
from shared.clicks import SECONDS, Clicks
from unit.ui.driver import button, click, fill, opened, run, words
from unit.ui.fakes.client import FakeClient, FakeTable

UI = Path(__file__).parents[3] / "ui-streamlit"


@pytest.fixture
def table() -> FakeTable:
    table = FakeTable()
    FakeClient(table).create(Draft("alpha", "https://git.example/alpha.git", "main", "prod"))
    return table


def typed(table: FakeTable) -> AppTest:
    at = opened(table, query={"id": "1"})
    fill(at, "Branch", "mine")
    return at


def saved(table: FakeTable) -> tuple[str, int]:
    row = FakeClient(table).get(1)
    return row.branch, row.generation


def interrupt(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[bool]:
    """The page is drawn anew, once, when it has drawn what the function draws."""
    drawn = getattr(where, name)
    interrupted: list[bool] = []

    def draw(*args: Any, **kwargs: Any) -> Any:
        found = drawn(*args, **kwargs)
        if not interrupted:
            interrupted.append(True)
            st.rerun()
        return found

    monkeypatch.setattr(where, name, draw)
    return interrupted


@pytest.mark.parametrize(
    ("where", "name"), [(detail_view, "_heading"), (forms, "fields"), (preview_view, "draw_button")]
)
def test_a_click_on_save_saves_though_the_run_is_ended_before(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    at = typed(table)
    interrupted = interrupt(monkeypatch, where, name)
    click(at, "Save")
    assert (interrupted, saved(table)) == ([True], ("mine", 2))


def test_a_click_that_waits_behind_what_draws_the_page_anew_saves(
    table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = typed(table)
    at.session_state[detail_view.ARRIVING] = True
    button(at, "Save").click()
    fragments = list(at._fragment_storage._fragments)
    with monkeypatch.context() as queued:
        # The delivery's clock and the click, in one run: the newest fragment is the delivery.
        data = functools.partial(RerunData, fragment_id_queue=fragments[::-1])
        queued.setattr(local_script_runner, "RerunData", data)
        run(at)
    assert saved(table) == ("mine", 2)
    assert "generation 2" in words(run(at))


def test_a_click_counts_once(table: FakeTable) -> None:
    at = click(typed(table), "Save")
    run(run(at))
    assert saved(table) == ("mine", 2)


def test_a_click_on_what_is_not_drawn_any_more_is_forgotten(table: FakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    at = typed(table)
    with monkeypatch.context() as gone:
        gone.setattr(detail_view, "_tabs", lambda *_: None)
        click(at, "Save")
    run(at)
    assert saved(table) == ("main", 1)


def test_a_click_is_kept_for_a_while_and_for_one_act() -> None:
    now = [100.0]
    clicks = Clicks(lambda: now[0])
    assert not clicks.take("a")
    clicks.note("a")
    now[0] += SECONDS - 1
    assert (clicks.take("a"), clicks.take("a")) == (True, False)
    clicks.note("a")
    now[0] += SECONDS
    assert not clicks.take("a")
    clicks.note("a")
    clicks.forget()
    assert not clicks.take("a")


def test_no_page_acts_on_what_a_button_of_streamlit_returns() -> None:
    acting = []
    for path in UI.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        acting += [
            f"{path.relative_to(UI)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) in {"st.button", "st.form_submit_button", "st.download_button"}
            and id(node) not in told
            and not any(keyword.arg == "on_click" for keyword in node.keywords)
        ]
    assert not acting
