"""What a target's sync instance is not allowed of what declarations need, by what it tells of itself."""

from collections.abc import Mapping
from typing import Any

from rowcast.crud.pipeline.advice import Advice
from rowcast.crud.pipeline.judging.delivery import target
from rowcast.crud.pipeline.judging.verdict import Verdict

SHOWN = 5


def allowed_target(error: str | None, facts: Mapping[str, Any]) -> Verdict:
    """The target itself, and every right that is missing, by verb and kind. A sync of before tells of none."""
    missing = (facts.get("rights") or {}).get("missing") or []
    if not missing:
        return target(error)
    words = "; ".join(map(_line, missing[:SHOWN]))
    more = f"; and {len(missing) - SHOWN} kinds more" if len(missing) > SHOWN else ""
    return Verdict(
        "degraded" if error is None else "down",
        f"sync-{facts['target']} {words}{more}" + (f"; {error}" if error is not None else ""),
        "rowcast renderer rights FILE… | kubectl apply -f -; rows wait and go on by themselves",
        Advice.MISSING_RIGHTS,
    )


def _line(one: Mapping[str, Any]) -> str:
    whose = f"({', '.join(one['renderers'])})"
    where = f" at {one['place']}" if one["place"] else ""
    if one["resource"] is None:
        return f"finds no kind {one['kind']}{where} {whose}"
    return f"may not {', '.join(one['verbs'])} {one['resource']}{where} {whose}"
