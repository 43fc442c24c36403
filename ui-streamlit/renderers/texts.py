"""Declarations and manifests as texts, and how two of them differ: pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import unified_diff
from typing import Any

import yaml

from renderers.models import Manifest


def table_of(text: str) -> str:
    """Return the table that a declaration names, or nothing."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return ""
    for part in ("spec", "source", "table"):
        content = content.get(part) if isinstance(content, dict) else None
    return content if isinstance(content, str) else ""


def as_yaml(content: Any) -> str:
    """Return what an API gave as JSON, as people read it."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def together(manifests: Iterable[Manifest]) -> str:
    """Return manifests as the documents of one file."""
    return "---\n".join(as_yaml(manifest.content) for manifest in manifests)


def difference(before: str, after: str, names: tuple[str, str] = ("before", "after")) -> str:
    """Return a unified difference of two texts, which is empty where there is none."""
    return "\n".join(unified_diff(before.splitlines(), after.splitlines(), *names, lineterm=""))
