"""What an import does, line by line, as a table with its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow  # type: ignore[import-untyped]  # it ships no types
import streamlit as st
from streamlit.column_config import MultiselectColumn, TextColumn

from bulk.models import Action, ImportReport
from imports import outcome

HEIGHT: Final = 420
METRICS: Final[Mapping[Action, str]] = {"create": "Create", "change": "Change", "none": "Unchanged", "refuse": "Refuse"}


def draw(report: ImportReport, places: Sequence[str]) -> None:
    """Draw how many rows there are of each kind, and the rows, or those of one kind."""
    for column, (action, label) in zip(st.columns(len(METRICS)), METRICS.items(), strict=True):
        column.metric(label, f"{report.count(action):,}", border=True)
    refused = report.count("refuse")
    only = st.segmented_control(
        "Show",
        tuple(METRICS),
        key="import_only",
        default="refuse" if refused else None,
        format_func=lambda action: METRICS[action],
        label_visibility="collapsed",
    )
    table(report, places, only)


def table(report: ImportReport, places: Sequence[str], only: Action | None) -> None:
    """Draw the rows, or those with one action; `places` says where each stands in its file."""
    lines = outcome.table(report.lines, places, only)
    if not lines.names:
        st.caption("No line is of this kind.")
        return
    words, colours = tuple(outcome.WORDS.values()), tuple(outcome.COLOURS.values())
    columns = {
        "Where": pyarrow.array(lines.places, pyarrow.string()),
        "Name": pyarrow.array(lines.names, pyarrow.string()),
        "What": pyarrow.array([[word] for word in lines.words], pyarrow.list_(pyarrow.string())),
        "Details": pyarrow.array(lines.details, pyarrow.string()),
    }
    st.dataframe(
        pyarrow.table(columns),
        key="import_lines",
        hide_index=True,
        height="content" if len(lines.names) <= 10 else HEIGHT,
        column_config={
            "Where": TextColumn("Where", width=90),
            "Name": TextColumn("Name", width=150),
            "What": MultiselectColumn("What", width=90, options=words, color=colours),
            "Details": TextColumn("Details", width=660),
        },
        alt="What becomes of each row of the import",
    )
