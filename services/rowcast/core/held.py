"""What an object's labels and annotations say of its row. Total: anybody may have written them.

Labels make an object ours; without all three, each in its form, it is foreign. Annotations are only believed: one that
can't be counts as 0, so that anything newer may overwrite it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from rowcast.core.render import GENERATION, LSN, MANAGED_BY, MANAGER, ROW_ID, TABLE

LARGEST = 2**63 - 1
"""Ids, generations and LSNs are PostgreSQL's bigint, or fit into it."""
_NUMBER = re.compile(r"[0-9]{1,19}")
_TABLE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""The value of a label, as Kubernetes has it."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Which row an object is of, and as of when. Numbers are from 0 to 2^63 - 1."""

    table: str
    row_id: int
    generation: int
    lsn: int


def marks(labels: object, annotations: object) -> Marks | None:
    """What an object carries; None when it is not ours. Never raises."""
    named = labels if isinstance(labels, Mapping) else {}
    noted = annotations if isinstance(annotations, Mapping) else {}
    table, row_id = named.get(TABLE), number(named.get(ROW_ID))
    if named.get(MANAGED_BY) != MANAGER or row_id is None:
        return None
    if not isinstance(table, str) or not _TABLE.fullmatch(table):
        return None
    return Marks(intern(str(table)), row_id, number(noted.get(GENERATION)) or 0, number(noted.get(LSN)) or 0)


def number(value: object) -> int | None:
    """A number as we write it, or as YAML may have read it; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LARGEST else None
    if isinstance(value, str) and _NUMBER.fullmatch(value) and int(value) <= LARGEST:
        return int(value)
    return None
