"""Two people saved one configuration: both versions side by side, and the choice, field by field or whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from configurations import merging, models
from configurations.merging import MINE, THEIRS, Side
from configurations.models import AppConfig, Draft
from shared import formatting

WHOLE_MINE: Final = "Save mine over it"
WHOLE_THEIRS: Final = "Take what was saved"
CHOSEN: Final = "Save what I chose"
# Both versions in two columns of one width, whatever they say.
STYLE: Final = """
<style>
.st-key-conflict-box [role="radiogroup"] { display: grid; grid-template-columns: 1fr 1fr; }
.st-key-conflict-box [role="radiogroup"] label { overflow-wrap: anywhere; }
</style>
"""


def ask(base: Draft, mine: Draft, theirs: AppConfig) -> Draft | None:
    """Draw the choice and return the draft to save over `theirs`: theirs as it is to save nothing, None to go on."""
    who = formatting.plain(theirs.updated_by)
    when = formatting.ago(theirs.updated_at, datetime.now(UTC))
    differing = merging.differing(mine, theirs.draft)
    with st.container(border=True, key="conflict-box"):
        st.html(STYLE)
        st.warning(f"{who} saved generation {theirs.generation}, {when}, after you opened this.")
        if not differing:
            st.markdown("It says the same as yours.")
        sides = _sides(base, mine, theirs, differing)
        with st.container(horizontal=True):
            chosen = st.button(CHOSEN, type="primary", disabled=not differing)
            over = st.button(WHOLE_MINE, disabled=not differing)
            take = st.button(WHOLE_THEIRS)
    if chosen:
        return merging.merged(mine, theirs.draft, sides)
    return mine if over else theirs.draft if take else None


def _sides(base: Draft, mine: Draft, theirs: AppConfig, differing: tuple[str, ...]) -> Mapping[str, Side]:
    suggested = merging.suggestion(base, mine, theirs.draft)
    sides: dict[str, Side] = {}
    for field in differing:
        values: Mapping[Side, str] = {MINE: getattr(mine, field), THEIRS: getattr(theirs.draft, field)}
        side = st.radio(
            f"{models.FIELDS[field]} (was {formatting.plain(getattr(base, field))})",
            (MINE, THEIRS),
            index=0 if suggested[field] == MINE else 1,
            format_func=lambda side, values=values: formatting.plain(values[side]),
            captions=("yours", f"saved by {formatting.plain(theirs.updated_by)}"),
            horizontal=True,
            key=f"conflict:{theirs.generation}:{field}",
        )
        sides[field] = THEIRS if side == THEIRS else MINE
    return sides
