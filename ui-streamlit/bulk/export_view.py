"""All rows that match, as a file."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from bulk.models import Bulk, Format
from configurations.models import Query

FORMATS: Final[dict[Format, tuple[str, str]]] = {
    "csv": ("CSV", "text/csv"),
    "yaml": ("YAML", "application/yaml"),
    "json": ("JSON", "application/json"),
}


def draw(client: Bulk, query: Query) -> None:
    """Draw the button that offers the rows of `query` in each format; what fails is said under it."""
    with st.popover("Export", icon=":material/download:"):
        filtered = query.search or query.environment or query.state
        st.caption("All rows that match the filters, as a file." if filtered else "All rows, as a file.")
        for kind, (label, mime) in FORMATS.items():
            st.download_button(
                label,
                # Fetched when it is clicked, not with every page.
                data=functools.partial(client.export, query, kind),
                file_name=f"appconfigs-{datetime.now(UTC):%Y-%m-%d}.{kind}",
                mime=mime,
                on_click="ignore",
                key=f"export:{kind}",
                icon=":material/draft:",
                width="stretch",
            )
