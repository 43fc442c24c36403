"""A file of a table's rows, imported as a file of configurations is."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from bulk.models import Format
from imports import files
from imports import view as imports_view
from rows import values
from rows.models import Column, Rows
from rows.values import ValueRefusedError

ENDINGS: Final[Mapping[str, Format]] = {"csv": "csv", "tsv": "csv", "json": "json", "ndjson": "json", "jsonl": "json"}


def show(client: Rows, renderer: str, columns: Sequence[Column]) -> None:
    """Draw the room in which rows of `renderer` are imported."""
    keys = [column for column in columns if column.key]
    names = tuple(column.name for column in keys)
    required = tuple(column.name for column in keys if not (column.generated or column.has_default))
    known = {column.name: column for column in columns}
    imports_view.draw(
        imports_view.Room(
            "Rows",
            renderer,
            "CSV or JSON",
            f"Rows are matched by {', '.join(names)}: a new key is created, a known one changed. "
            "A value that is left out keeps what it is, or has its default.",
            ",".join(column.name for column in columns if not column.generated),
            files.Expected(
                (),  # what is no column is refused by crud, and what the database makes is passed over
                required,
                names,
                ENDINGS,
                from_text=functools.partial(from_text, known),
            ),
            lambda rows, dry_run, partial: client.import_table(renderer, rows, dry_run=dry_run, partial=partial),
            functools.partial(_to_list, renderer),
            functools.partial(imports_view.open_room, renderer=renderer),
        )
    )


def _to_list(renderer: str) -> None:
    st.query_params.clear()
    st.query_params["renderer"] = renderer


def from_text(columns: Mapping[str, Column], name: str, text: str) -> Any:
    """Return what a value of CSV is as JSON; what is no value of its column is left for crud to refuse."""
    column = columns.get(name)
    if column is None:
        return text
    kind = values.field_of(column)
    if kind == "boolean":
        return {"true": True, "t": True, "false": False, "f": False}.get(text.lower(), text)
    try:
        return values.parsed(column, kind, text, new=True)
    except ValueRefusedError:
        return text
