"""Two people's changes of one row, put together field by field: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from configurations.models import FIELDS, Draft

Side = Literal["mine", "theirs"]
MINE: Final = "mine"
THEIRS: Final = "theirs"


def differing(mine: Draft, theirs: Draft) -> tuple[str, ...]:
    """Return the fields in which two drafts differ, in the order of the form."""
    return tuple(field for field in FIELDS if getattr(mine, field) != getattr(theirs, field))


def suggestion(base: Draft, mine: Draft, theirs: Draft) -> Mapping[str, Side]:
    """Return whose value to begin with: of each differing field the one that was changed; mine, if both were."""
    return {
        field: THEIRS if getattr(mine, field) == getattr(base, field) else MINE for field in differing(mine, theirs)
    }


def merged(mine: Draft, theirs: Draft, sides: Mapping[str, Side]) -> Draft:
    """Return what the chosen sides say together; a field that isn't chosen is theirs."""
    return Draft(**{field: getattr(mine if sides.get(field) == MINE else theirs, field) for field in FIELDS})
