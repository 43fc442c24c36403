"""All rows that match, as a file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, TypeVar

import streamlit as st

from bulk.models import Bulk, Format
from configurations.models import Query

Kind = TypeVar("Kind", bound=str)
FORMATS: Final[dict[Format, tuple[str, str]]] = {
    "csv": ("CSV", "text/csv"),
    "yaml": ("YAML", "application/yaml"),
    "json": ("JSON", "application/json"),
}


def draw(client: Bulk, query: Query) -> None:
    """Draw the button that offers the rows of `query` in each format; what fails is said under it."""
    filtered = bool(query.search or query.environment or query.state)
    offer("appconfigs", FORMATS, functools.partial(client.export, query), filtered=filtered)


def offer(
    name: str, formats: Mapping[Kind, tuple[str, str]], fetch: Callable[[Kind], bytes], *, filtered: bool
) -> None:
    """Draw the button that offers what `fetch` gives of each format, which has a label and a MIME type."""
    with st.popover("Export", icon=":material/download:"):
        st.caption("All rows that match the filters, as a file." if filtered else "All rows, as a file.")
        for kind, (label, mime) in formats.items():
            st.download_button(
                label,
                # Fetched when it is clicked, not with every page.
                data=functools.partial(fetch, kind),
                file_name=f"{name}-{datetime.now(UTC):%Y-%m-%d}.{kind}",
                mime=mime,
                on_click="ignore",
                key=f"export:{kind}",
                icon=":material/draft:",
                width="stretch",
            )
