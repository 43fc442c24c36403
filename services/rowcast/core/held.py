"""What an object's labels and annotations say of its row. Total: anybody may have written them.

Labels make an object ours; without all three, each in its form, it is foreign. Annotations are only believed: one that
can't be counts as 0, so that anything newer may overwrite it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern

from rowcast.core.events import TABLE as APP_CONFIGS_TABLE
from rowcast.core.render import GENERATION, KEY, LSN, MANAGED_BY, MANAGER, RENDERER, ROW_ID, TABLE, TARGET
from rowcast.core.row import APP_CONFIGS, RowKey, app_config, as_label
from rowcast.core.row import RENDERER as RENDERER_NAME
from rowcast.core.targets import KINDS

LARGEST = 2**63 - 1
"""Ids, generations and LSNs are PostgreSQL's bigint, or fit into it."""
LABEL_LENGTH = 63
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Marks:
    """Which row an object is of, and as of when. Numbers are from 0 to 2^63 - 1.

    `target` has made it; empty for one that is called as its kind is.
    """

    row: RowKey
    generation: int
    lsn: int
    target: str = ""

    def of_another(self, target: str) -> str:
        """Which other target has made it, in words; empty where the target of that name has."""
        own = "" if target in KINDS else target
        return "" if self.target == own else f"the target {self.target}" if self.target else "a target without a name"


def marks(labels: object, annotations: object) -> Marks | None:
    """What an object carries; None when it is not ours. Never raises."""
    named = labels if isinstance(labels, Mapping) else {}
    noted = annotations if isinstance(annotations, Mapping) else {}
    row = _row(named, noted) if named.get(MANAGED_BY) == MANAGER else None
    if row is None:
        return None
    target = named.get(TARGET, "")
    return Marks(row, number(noted.get(GENERATION)) or 0, number(noted.get(LSN)) or 0, str(target)[:LABEL_LENGTH])


def _row(labels: Mapping[object, object], annotations: Mapping[object, object]) -> RowKey | None:
    if labels.get(TABLE) == APP_CONFIGS_TABLE and RENDERER not in labels:
        row_id = number(labels.get(ROW_ID))
        return None if row_id is None else app_config(row_id)
    renderer, key = labels.get(RENDERER), annotations.get(KEY)
    if not isinstance(renderer, str) or not RENDERER_NAME.fullmatch(renderer) or renderer == APP_CONFIGS:
        return None
    if not isinstance(key, str) or as_label(key) != labels.get(KEY):
        return None
    return RowKey(intern(str(renderer)), key)


def number(value: object) -> int | None:
    """A number as we write it, or as YAML may have read it; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value <= LARGEST else None
    if isinstance(value, str) and _NUMBER.fullmatch(value) and int(value) <= LARGEST:
        return int(value)
    return None
