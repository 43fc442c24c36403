"""A batch of events on its way through delivery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rowcast.core.outcomes import Outcome
from rowcast.core.row import RowKey
from rowcast.sync.intake.spans import BatchSpans


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as it came: the broker's handle for it, its parsed JSON, and where it stood, if the broker says so.

    `replay_of` is the dead letter that it is a replay of.
    """

    id: str
    event: object
    position: Mapping[str, str] = field(default_factory=dict)
    replay_of: int | None = None


@dataclass(slots=True)
class Batch:
    """What its entries decoded to, which of them must come again, and what is to be told of it.

    `rows` has the entries of each row, that of its newest state last. `statuses` and `dead` are messages to publish,
    the latter with the entries that each of them stands for; `trouble` has rows (`id@generation`) by what was wrong
    with them. `whole`: the target took none of them, and said so of all at once. `replays` has the row of each entry
    that is a replay and could be read. `snapshot`: some are of one that capture took. `outcomes` counts by renderer,
    which is empty for what could not be read.
    """

    entries: Sequence[Entry]
    captured_at: str
    rows: dict[RowKey, list[Entry]] = field(default_factory=dict)
    retry: set[str] = field(default_factory=set)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    dead: list[tuple[Sequence[Entry], dict[str, Any]]] = field(default_factory=list)
    outcomes: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    trouble: dict[str, list[str]] = field(default_factory=dict)
    failures: dict[RowKey, str] = field(default_factory=dict)
    reason: str = ""
    whole: bool = False
    snapshot: bool = False
    spans: BatchSpans | None = None
    replays: dict[str, RowKey] = field(default_factory=dict)
