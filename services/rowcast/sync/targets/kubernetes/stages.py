"""How far a row's objects are beyond their delivery: by the objects alone, so that all who see them say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rowcast.core.messages import ERROR_BYTES, clip
from rowcast.core.readiness import HEALTHY, Readiness, Stage, readiness, unsettled, waits
from rowcast.core.renderer import ExpressionError
from rowcast.renderers.cel import CelExpression, CompileError, Language
from rowcast.renderers.declaration import LIVE

if TYPE_CHECKING:
    from rowcast.core.render import ResourceType
    from rowcast.sync.targets.kubernetes.objects import Live

SHOWN = 5
"""Objects that the reason of a row's stage names at most."""


@dataclass(frozen=True, slots=True)
class RowStage:
    """Of a row at one generation. `once`: its objects are all made once, and may be of an earlier one than the row."""

    generation: int
    stage: Stage
    reason: str | None = None
    once: bool = False


def stage_of(own: Sequence[Live]) -> RowStage | None:
    """By a row's objects; None while they are of different generations, or there are none: a delivery is under way, or
    has failed, and tells of itself.
    """
    changing = [live for live in own if not live.once]
    leading = changing or list(own)
    generation = max((_generation(live) for live in leading), default=0)
    if not leading or any(_generation(live) != generation for live in changing):
        return None
    wanted = next(live.objects for live in leading if _generation(live) == generation)
    if len(own) < wanted:
        return RowStage(generation, "synced", f"{len(own)} of {wanted} objects are there", not changing)
    found = together(own)
    return RowStage(generation, found.stage, found.reason, not changing)


def together(own: Sequence[Live]) -> Readiness:
    """One that failed counts before one that waits, and this before those that are healthy."""
    in_order = sorted(own, key=lambda live: live.order)
    for stage in ("failed", "synced"):
        some = [live for live in in_order if live.readiness.stage == stage]
        if some:
            named = [f"{live.resource.kind}/{live.name}: {live.readiness.reason}" for live in some[:SHOWN]]
            return Readiness(some[0].readiness.stage, clip("; ".join(named), ERROR_BYTES))
    return HEALTHY


def object_readiness(resource: ResourceType, body: Mapping[str, Any], expression: object) -> Readiness:
    """Of an object as the API server returns it: by its declaration's expression, if it carries one, or by its kind."""
    if not isinstance(expression, str):
        return readiness(resource.group, resource.kind, body)
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    live = {"apiVersion": resource.api_version, "kind": resource.kind, **body, "metadata": metadata}
    try:
        value = unsettled(body) or _compiled(expression).evaluate({LIVE: live})
    except (ExpressionError, CompileError) as error:
        return waits(str(error))
    if isinstance(value, Readiness):
        return value
    return HEALTHY if value is True else waits(f"ready: {expression}: is {str(value).lower()}")


@lru_cache(maxsize=200)
def _compiled(expression: str) -> CelExpression:
    return Language(None, LIVE).compile(expression, "ready")


def _generation(live: Live) -> int:
    return live.held.generation if live.held is not None else 0
