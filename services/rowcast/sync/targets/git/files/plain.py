"""Reads back what `emit` writes of a manifest without lists, faster than a YAML parser, which does all others."""

from __future__ import annotations

import json
import re
from typing import Any

from rowcast.sync.targets.git.files.yaml import PLAIN, WORDS

_LINE = re.compile(r"(?P<indent>(?:  )*)(?P<key>[A-Za-z_/][A-Za-z0-9_./-]*):(?: (?P<scalar>.+))?")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Half of a character, which JSON may write and YAML may not."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
"""What is negative the parser has as a text of its own: both have to read the same."""


def read_plain(content: bytes) -> dict[str, Any] | None:
    """The document, or None for anything that is not plainly in our own style, whether it is YAML or not."""
    document: dict[str, Any] = {}
    open_mappings = [document]
    empty = True
    try:
        lines = content.decode("ascii").removesuffix("\n").split("\n")
        for line in lines:
            match = _LINE.fullmatch(line)
            depth = len(match["indent"]) // 2 if match else len(open_mappings)
            if match is None or depth >= len(open_mappings) or match["key"] in open_mappings[depth]:
                return None
            if match["key"].lower() in WORDS or (empty and depth < len(open_mappings) - 1):
                return None
            del open_mappings[depth + 1 :]
            value: dict[str, Any] | str | int = {} if match["scalar"] is None else _scalar(match["scalar"])
            open_mappings[depth][match["key"]] = value
            empty = isinstance(value, dict)
            if isinstance(value, dict):
                open_mappings.append(value)
    except ValueError:
        return None
    return None if empty else document  # a key without a value is YAML's null


def _scalar(text: str) -> str | int:
    """Raises ValueError for what YAML may read in another way."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    if _NUMBER.fullmatch(text):
        return int(text)
    if text.startswith('"') and not _SURROGATE.search(text):
        value = json.loads(text)
        if isinstance(value, str):
            return value
    raise ValueError(text)
