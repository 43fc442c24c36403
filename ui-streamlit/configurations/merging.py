"""Two people's changes of one row, put together field by field: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

Side = Literal["mine", "theirs"]
Values = Mapping[str, Any]
"""A row's values by field, in the order of its form."""
MINE: Final = "mine"
THEIRS: Final = "theirs"


def differing(mine: Values, theirs: Values) -> tuple[str, ...]:
    """Return the fields in which two versions differ, in the order of the form."""
    return tuple(field for field in {**mine, **theirs} if mine.get(field) != theirs.get(field))


def suggestion(base: Values, mine: Values, theirs: Values) -> Mapping[str, Side]:
    """Return whose value to begin with: of each differing field the one that was changed; mine, if both were."""
    return {field: THEIRS if mine.get(field) == base.get(field) else MINE for field in differing(mine, theirs)}


def merged(mine: Values, theirs: Values, sides: Mapping[str, Side]) -> dict[str, Any]:
    """Return what the chosen sides say together; a field that isn't chosen is theirs."""
    return {**theirs, **{field: mine.get(field) for field, side in sides.items() if side == MINE}}
