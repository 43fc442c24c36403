"""The dashboard by Streamlit's own AppTest, on the fake client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streamlit.testing.v1 import AppTest

from app import Client
from login.identity import Roles, Who
from unit.ui.fakes.client import FakeClient, FakeTable

SECONDS = 60
DOWN = "The crud service is not available."


def _script() -> None:
    import streamlit as st

    import app

    app.page(st.session_state["connect"], "maria", st.session_state["room"], roles=st.session_state["roles"])


def opened(
    table: FakeTable, room: str = "Configurations", roles: Roles | None = None, query: Mapping[str, str] | None = None
) -> AppTest:
    """A room as maria has it before her; `query` is what the link says."""
    connect: Callable[[Callable[[], Who]], Client] = lambda who: FakeClient(table, who)  # noqa: E731
    at = AppTest.from_function(_script, default_timeout=SECONDS)
    at.session_state["connect"] = connect
    at.session_state["room"] = room
    at.session_state["roles"] = roles
    at.query_params.update(query or {})
    return run(at)


def run(at: AppTest) -> AppTest:
    """What there is after all that was done."""
    at.run()
    assert not at.exception
    return at


def button(at: AppTest, label: str) -> Any:
    """The first with that label."""
    return next(one for one in at.button if one.label == label)


def labels(at: AppTest) -> set[str]:
    """Of all buttons."""
    return {one.label for one in at.button}


def offered(at: AppTest) -> set[str]:
    """Of the buttons that can be pressed."""
    return {one.label for one in at.button if not one.disabled}


def click(at: AppTest, label: str) -> AppTest:
    """Click a button."""
    button(at, label).click()
    return run(at)


def fill(at: AppTest, label: str, value: str) -> None:
    """Put text into the topmost field with that label; it counts with the next thing that is done."""
    [field for field in at.text_input if field.label == label][-1].set_value(value)


def write(at: AppTest, label: str, value: str) -> AppTest:
    """Put text into a field and leave it."""
    fill(at, label, value)
    return run(at)


def words(at: AppTest) -> str:
    """All that is said."""
    shown = (*at.markdown, *at.caption, *at.warning, *at.error, *at.success, *at.info, *at.code)
    return "\n".join(one.value for one in shown)


def names(at: AppTest) -> list[str]:
    """Of the rows in the list."""
    return list(at.dataframe[0].value["Name"])
