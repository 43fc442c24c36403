"""The table of one page: chips for states, a row opened by choosing any of its cells, several ticked at its edge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow  # type: ignore[import-untyped]  # it ships no types
import streamlit as st
from streamlit.column_config import MultiselectColumn, TextColumn

from configurations import view_model
from configurations.models import AppConfig
from configurations.selection import TABLE

ROW_HEIGHT = 36
CHIP_WIDTH = 95
WIDTHS = {"Name": 150, "Environment": 105, "Repository": 230, "Branch": 120, "Changed": 95, "By": 95}


def _arrow(table: view_model.Table) -> pyarrow.Table:
    # Arrow as it is: a DataFrame in between would cost the first page the import of pandas.
    columns: dict[str, pyarrow.Array] = {
        label: pyarrow.array(values, pyarrow.string()) for label, values in table.columns.items()
    }
    chips = {
        label: pyarrow.array([[state] for state in states], pyarrow.list_(pyarrow.string()))
        for label, states in table.states.items()
    }
    return pyarrow.table({**columns, **chips})


def draw(rows: Sequence[AppConfig], *, tickable: bool) -> int | None:
    """Draw `rows` and return the id of the one whose cell the person chose, if they did."""
    table = view_model.table(rows, datetime.now(UTC))
    columns = {label: TextColumn(label, width=width) for label, width in WIDTHS.items()}
    states, colours = tuple(view_model.COLOURS), tuple(view_model.COLOURS.values())
    chips = {label: MultiselectColumn(label, width=CHIP_WIDTH, options=states, color=colours) for label in table.states}
    state = st.dataframe(
        _arrow(table),
        key=TABLE,
        hide_index=True,
        column_order=("Name", "Environment", *table.states, "Repository", "Branch", "Changed", "By"),
        column_config={**columns, **chips},
        row_height=ROW_HEIGHT,
        height="content",
        on_select="rerun",
        selection_mode=("multi-row", "single-cell") if tickable else ("single-cell",),
        alt="Configurations: choose a cell to open its row" + (", tick rows to change several" if tickable else ""),
    )
    cells = state["selection"]["cells"]
    return table.ids[cells[0][0]] if cells and cells[0][0] < len(table.ids) else None
