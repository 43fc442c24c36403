"""Writes manifests as YAML: block style, our key order, the same bytes for the same manifest.

PyYAML's C emitter needs five times as long, and would hold the event loop for a third of a large batch's time; it is
still asked for the rare scalar that is neither a plain word nor printable ASCII.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml

PLAIN = re.compile(r"[A-Za-z_/](?:[A-Za-z0-9_./@+-]|:(?=[A-Za-z0-9_/]))*")
"""Scalars that YAML 1.1 and 1.2 read as the string they spell, but for `WORDS`."""
WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_ASCII = re.compile(r"[\x20-\x7e\n\t]*")
"""What a JSON string and a double-quoted YAML scalar write alike."""


def to_yaml(document: Mapping[str, Any]) -> bytes:
    """One document, UTF-8, ending with a newline. Takes what JSON can express; TypeError for anything else."""
    return "".join(_mapping(document, "")).encode(errors="replace")


def _mapping(values: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        yield from _entry(f"{indent}{scalar(key)}:", value, indent + "  ")


def _sequence(values: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    for value in values:
        yield from _entry(f"{indent}-", value, indent + "  ")


def _entry(head: str, value: object, indent: str) -> Iterator[str]:
    if isinstance(value, str):
        yield f"{head} {scalar(value)}\n"
    elif isinstance(value, Mapping) and value:
        yield head + "\n"
        yield from _mapping(value, indent)
    elif isinstance(value, list | tuple) and value:
        yield head + "\n"
        yield from _sequence(value, indent)
    else:
        yield f"{head} {_other(value)}\n"


def _other(value: object) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return yaml.dump(value, Dumper=yaml.CSafeDumper).splitlines()[0]
    raise TypeError(f"a manifest cannot hold {type(value).__name__}")


@lru_cache(maxsize=4096)
def scalar(value: str) -> str:
    """A string as YAML that reads as it, in one line."""
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    if _ASCII.fullmatch(value):
        return json.dumps(value)
    dumped = yaml.dump(value, Dumper=yaml.CSafeDumper, default_style='"', width=2**31 - 1, allow_unicode=True)
    return str(dumped).rstrip("\n")
