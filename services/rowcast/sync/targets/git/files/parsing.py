"""Reads the YAML of one small file that anybody may have written. Total: whatever the bytes are, it ends soon.

Documents are built from the parser's events (yaml.org/spec/1.1, 3.2.1), not by its constructors: no aliases, so that no
text grows in memory; a bounded depth and number of nodes; no objects. Where YAML says what no manifest of ours does
(keys that are not strings, tags, dates, bytes), the document has `ODD`: it can be read, and is there not as we have
written it. Numbers that are not counted from 0 on are `ODD` and their text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.resolver import Resolver

from rowcast.core.held import number

DEEPEST = 40
"""Mappings and sequences within each other."""
MOST_NODES = 10_000
ODD = "\udc00odd"
"""In the place of a value, or before it, or as a key. No text of YAML has half of a character in it."""
_MAP, _SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_BOOLEANS = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
_RESOLVER = Resolver()


class UnreadableError(Exception):
    """A text that is no YAML, or more than is read. The message says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """`content` is what JSON can express. `repeats`: some key comes twice, which Kubernetes' parsers refuse."""

    content: Any
    repeats: bool


def parse(content: bytes) -> Sequence[Document]:
    """The documents of a text. Raises UnreadableError, and nothing else."""
    try:
        return _Reading(yaml.parse(content, Loader=yaml.CSafeLoader)).documents()
    except (yaml.YAMLError, ValueError, StopIteration) as error:
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise UnreadableError(f"it is not YAML: {problem}{where}") from None


@dataclass(slots=True)
class _Reading:
    events: Iterator[yaml.Event]
    repeats: bool = False
    nodes: int = 0

    def documents(self) -> list[Document]:
        found = []
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.repeats = False
                content = self._node(next(self.events), 0)
                found.append(Document(content, self.repeats))
        return found

    def _node(self, event: yaml.Event, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise UnreadableError(f"it has more than {MOST_NODES} values")
        if depth > DEEPEST:
            raise UnreadableError(f"it is nested more than {DEEPEST} deep")
        match event:
            case yaml.AliasEvent():
                raise UnreadableError("it has aliases (*name), which are not read")
            case yaml.MappingStartEvent():
                mapping = self._mapping(depth)
                return mapping if event.tag in (None, "!", _MAP) else ODD
            case yaml.SequenceStartEvent():
                sequence = self._sequence(depth)
                return sequence if event.tag in (None, "!", _SEQUENCE) else ODD
            case yaml.ScalarEvent():
                return self._scalar(event)
        raise UnreadableError("it is not YAML")

    def _mapping(self, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self.events), depth + 1)
            if isinstance(key, str) and not key.startswith(ODD):
                self.repeats = self.repeats or key in mapping
                mapping[key] = value
            else:
                mapping[ODD] = None
        return mapping

    def _sequence(self, depth: int) -> list[Any]:
        sequence = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            sequence.append(self._node(event, depth + 1))
        return sequence

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text, tag = str(event.value), event.tag
        if tag is None or tag == "!":
            implicit = (event.implicit[0] and tag is None, event.implicit[1])
            tag = _RESOLVER.resolve(yaml.ScalarNode, text, implicit)  # type: ignore[no-untyped-call]
        match str(tag).removeprefix("tag:yaml.org,2002:"):
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in _BOOLEANS:
                return _BOOLEANS[text.lower()]
            case "int" if (value := number(text)) is not None and str(value) == text:
                return value
            case "int" | "float":
                return ODD + text
        # Dates, bytes, `<<` and `=`, and whatever has a tag of its own.
        return ODD
