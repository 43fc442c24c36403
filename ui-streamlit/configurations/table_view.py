"""The table of one page: chips for states, a row opened by choosing any of its cells, several ticked at its edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pyarrow  # type: ignore[import-untyped]  # it ships no types
import streamlit as st
from streamlit.column_config import MultiselectColumn, TextColumn

from configurations import view_model
from configurations.models import AppConfig
from configurations.selection import TABLE

Cells = Mapping[str, Sequence[str]]
"""A table's columns of equal length, by their labels."""
ROW_HEIGHT = 36
CHIP_WIDTH = 95
WIDTHS = {"Name": 150, "Environment": 105, "Repository": 230, "Branch": 120, "Changed": 95, "By": 95}


def _arrow(columns: Cells, states: Cells) -> pyarrow.Table:
    # Arrow as it is: a DataFrame in between would cost the first page the import of pandas.
    texts: dict[str, pyarrow.Array] = {
        label: pyarrow.array(values, pyarrow.string()) for label, values in columns.items()
    }
    chips = {
        label: pyarrow.array([[state] for state in values], pyarrow.list_(pyarrow.string()))
        for label, values in states.items()
    }
    return pyarrow.table({**texts, **chips})


def draw(rows: Sequence[AppConfig], *, tickable: bool) -> int | None:
    """Draw `rows` and return the id of the one whose cell the person chose, if they did."""
    table = view_model.table(rows, datetime.now(UTC))
    order = ("Name", "Environment", *table.states, "Repository", "Branch", "Changed", "By")
    alt = "Configurations: choose a cell to open its row" + (", tick rows to change several" if tickable else "")
    line = grid(table.columns, table.states, order, key=TABLE, alt=alt, widths=WIDTHS, tickable=tickable)
    return None if line is None else table.ids[line]


def grid(
    columns: Cells,
    states: Cells,
    order: Sequence[str],
    *,
    key: str,
    alt: str,
    widths: Mapping[str, int],
    tickable: bool = False,
) -> int | None:
    """Draw texts and states, both by their column's label, and return the line of the cell that was chosen, if any."""
    texts = {label: TextColumn(label, width=widths.get(label)) for label in columns}
    options, colours = tuple(view_model.COLOURS), tuple(view_model.COLOURS.values())
    chips = {label: MultiselectColumn(label, width=CHIP_WIDTH, options=options, color=colours) for label in states}
    state = st.dataframe(
        _arrow(columns, states),
        key=key,
        hide_index=True,
        column_order=order,
        column_config={**texts, **chips},
        row_height=ROW_HEIGHT,
        height="content",
        on_select="rerun",
        selection_mode=("multi-row", "single-cell") if tickable else ("single-cell",),
        alt=alt,
    )
    cells = state["selection"]["cells"]
    there = len(next(iter(columns.values()), ()))
    return cells[0][0] if cells and cells[0][0] < there else None
