"""From dead letters to what their page shows: pure, with the time of looking passed in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from dead_letters.models import Letter, LetterState
from shared.formatting import ago, target_label

LETTER_STATES: Final[Mapping[LetterState, str]] = {"open": "Open", "replayed": "Replayed", "discarded": "Discarded"}


def letter_title(letter: Letter, now: datetime) -> str:
    """Return one line that tells a dead letter from others."""
    row = letter.name or row_of(letter) or "an event"
    times = f", {letter.occurrences} times" if letter.occurrences > 1 else ""
    when = ago(letter.dead_lettered_at, now)
    return f"{row} at {target_label(letter.target)}: {letter.reason}{times}, {when}"


def row_of(letter: Letter) -> str:
    """Return which row a dead letter is about; empty where that is not known."""
    if letter.row_id is not None:
        return f"row {letter.row_id}"
    return f"row {letter.key} of {letter.renderer}" if letter.renderer and letter.key else ""


def letter_facts(letter: Letter) -> str:
    """Return which row and generation it was about and where it stood with the broker, as far as that is known."""
    facts = []
    if row := row_of(letter):
        facts.append(row[0].upper() + row[1:] + (f", generation {letter.generation}" if letter.generation else ""))
    facts += [f"{name.strip('_')} {value}" for name, value in sorted(letter.position.items())]
    return ", ".join(facts)


def resolution(letter: Letter, now: datetime) -> str:
    """Return who resolved a dead letter, when and why; empty while it is open."""
    if letter.resolved_at is None:
        return ""
    why = f": {letter.resolution_reason}" if letter.resolution_reason else ""
    way = ", and not settled by its target yet" if letter.state == "replayed" and letter.answered_at is None else ""
    return f"{LETTER_STATES[letter.state]} by {letter.resolved_by} {ago(letter.resolved_at, now)}{way}{why}"
