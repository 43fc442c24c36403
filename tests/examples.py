"""How many examples of a property are tried: as many as it says, or fewer by a profile that searches less."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

USUAL = 100
"""Hypothesis' own number, of which a profile's is a part."""


def examples(number: int, **others: Any) -> settings:
    """`number` of them by the usual profile, a fifth of it by `--fast`; `others` are settings as they are."""
    return settings(max_examples=max(1, number * settings().max_examples // USUAL), **others)
