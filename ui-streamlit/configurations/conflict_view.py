"""Two people saved one row: both versions side by side, and the choice, field by field or whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from configurations import merging
from configurations.merging import MINE, THEIRS, Side, Values
from shared import clicks, formatting

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


@dataclass(frozen=True)
class Saved:
    """What somebody saved meanwhile: `who` may not be known."""

    values: Values
    generation: int
    who: str
    when: datetime


def ask(
    base: Values,
    mine: Values,
    theirs: Saved,
    label: Callable[[str], str] = formatting.plain,
    shown: Callable[[Any], str] = str,
) -> Values | None:
    """Draw the choice and return what to save over `theirs`: theirs as it is to save nothing, None to go on.

    `label` says what a field is called, as Markdown; `shown` is a value as text.
    """
    who = formatting.plain(theirs.who) or "Somebody"
    when = formatting.ago(theirs.when, datetime.now(UTC))
    differing = merging.differing(mine, theirs.values)
    with st.container(border=True, key="conflict-box"):
        st.html(STYLE)
        st.warning(f"{who} saved generation {theirs.generation}, {when}, after you opened this.")
        if not differing:
            st.markdown("It says the same as yours.")
        sides = _sides(base, mine, theirs, label, shown)
        with st.container(horizontal=True):
            clicks.draw(CHOSEN, type="primary", disabled=not differing)
            clicks.draw(WHOLE_MINE, disabled=not differing)
            clicks.draw(WHOLE_THEIRS)
    if clicks.take(WHOLE_THEIRS):
        return theirs.values
    if clicks.take(CHOSEN):
        return merging.merged(mine, theirs.values, sides)
    return mine if clicks.take(WHOLE_MINE) else None


def _sides(
    base: Values, mine: Values, theirs: Saved, label: Callable[[str], str], shown: Callable[[Any], str]
) -> Mapping[str, Side]:
    suggested = merging.suggestion(base, mine, theirs.values)
    sides: dict[str, Side] = {}
    for field, side_suggested in suggested.items():
        values: Mapping[Side, str] = {MINE: shown(mine.get(field)), THEIRS: shown(theirs.values.get(field))}
        side = st.radio(
            f"{label(field)} (was {formatting.plain(shown(base.get(field)))})",
            (MINE, THEIRS),
            index=0 if side_suggested == MINE else 1,
            format_func=lambda side, values=values: formatting.plain(values[side]),
            captions=("yours", f"saved by {formatting.plain(theirs.who) or 'somebody'}"),
            horizontal=True,
            key=f"conflict:{theirs.generation}:{field}",
        )
        sides[field] = THEIRS if side == THEIRS else MINE
    return sides
