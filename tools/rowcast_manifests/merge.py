"""Helm's way of laying values over values: mappings are merged, everything else is replaced."""

from collections.abc import Mapping
from functools import reduce
from typing import Any

Values = dict[str, Any]


def merge(*layers: Mapping[str, Any]) -> Values:
    """All layers in one, later ones over earlier ones; none of them is changed."""
    return reduce(_over, layers, {})


def _over(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Values:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
