"""JSON and YAML as texts, lists and mappings, with the lines where they stand: nothing is guessed, nothing is made of
another thing. A number, a date or a truth stays the text that it was; what could mean two things is refused. Pure.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any, Final, NoReturn

import yaml

# libyaml where PyYAML has it: ten times as fast.
_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_YAML_TAGS: Final = "tag:yaml.org,2002:"
_TAGS: Final = frozenset({None, "!", *(f"{_YAML_TAGS}{kind}" for kind in ("str", "map", "seq"))})
MOST_NESTED: Final = 50


class UnreadableError(Exception):
    """The file can't be read. Its text is a sentence that says where and what to do."""


class Located(dict[str, Any]):
    """A mapping that knows the line on which it begins, and those of its keys as far as they are known."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def put(self, key: str, value: Any, line: int) -> None:
        """Add a key, or raise UnreadableError if it is there already."""
        if key in self:
            before = self.lines[key]
            raise UnreadableError(f"At line {line}, {_short(key)} is there again: it is at line {before} already.")
        self[key], self.lines[key] = value, line


class LocatedList(list[Any]):
    """A list that knows the lines on which its elements begin."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []

    def put(self, value: Any, line: int) -> None:
        """Add an element."""
        self.append(value)
        self.lines.append(line)


def from_json(text: str) -> Any:
    """Return what JSON says: texts, None, lists and mappings. Raises UnreadableError."""
    try:
        # First without lines, which is ten times as fast.
        return json.loads(
            text, parse_float=str, parse_int=str, parse_constant=_no_number, object_pairs_hook=_plain_mapping
        )
    except _NeedsLinesError:
        return located_json(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"It is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise UnreadableError(f"It is nested too deeply at line {_deep_line(text)}.") from error


class _NeedsLinesError(Exception):
    """Something is wrong, and its line isn't known yet."""


def _no_number(_: str) -> NoReturn:
    raise _NeedsLinesError


def _plain_mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise _NeedsLinesError
    return mapping


def located_json(text: str) -> Any:
    """Return what `from_json` returns, with mappings that know their lines. Raises UnreadableError."""
    try:
        return _LocatingDecoder(text).decode(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(f"It is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise UnreadableError(f"It is nested too deeply at line {_deep_line(text)}.") from error


class _LocatingDecoder(json.JSONDecoder):
    """The standard library's decoder in Python, whose parts are told where a value begins before they read it."""

    def __init__(self, text: str) -> None:
        super().__init__(parse_float=str, parse_int=str, parse_constant=self._constant)
        self._ends = [place for place, character in enumerate(text) if character == "\n"]
        self._begun = 1
        self.parse_object = self._object
        self.parse_array = self._array
        self.scan_once = py_make_scanner(self)

    def _line(self, place: int) -> int:
        return bisect_right(self._ends, place) + 1

    def _constant(self, word: str) -> NoReturn:
        raise UnreadableError(f"At line {self._begun}, {word} is not JSON.")

    def _noting(self, scan: Any, lines: list[int]) -> Any:
        def noted(text: str, place: int) -> Any:
            self._begun = self._line(place)
            lines.append(self._begun)
            return scan(text, place)

        return noted

    def _object(self, state: tuple[str, int], strict: bool, scan: Any, _hook: Any, _pairs: Any, memo: Any) -> Any:
        lines: list[int] = []
        pairs, end = JSONObject(state, strict, self._noting(scan, lines), None, list, memo)
        mapping = Located(self._line(state[1] - 1))
        for (key, value), line in zip(pairs, lines, strict=True):
            mapping.put(key, value, line)
        return mapping, end

    def _array(self, state: tuple[str, int], scan: Any) -> Any:
        elements = LocatedList()
        values, end = JSONArray(state, self._noting(scan, elements.lines))
        elements.extend(values)
        return elements, end


def _deep_line(text: str) -> int:
    """Return the line on which brackets are nested too deeply, of a text in which strings may hold some as well."""
    depth, line, quoted, escaped = 0, 1, False, False
    for character in text:
        if character == "\n":
            line += 1
        if quoted:
            quoted, escaped = escaped or character != '"', character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MOST_NESTED:
                return line
        elif character in "]}":
            depth -= 1
    return line


def from_yaml(text: str) -> list[Any]:
    """Return the documents that YAML holds: texts, None, lists and mappings; null is the one word that is no text.

    Raises UnreadableError. Aliases, merge keys and tags are refused: none of them is what it looks like.
    """
    try:
        return list(_documents(yaml.parse(text, _LOADER)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        # libyaml counts the end of the last line as a line of its own.
        last = text.rstrip().count("\n") + 1
        where = f": line {min(mark.line + 1, last)}, column {mark.column + 1}" if mark else ""
        raise UnreadableError(f"It is not YAML{where}: {getattr(error, 'problem', None) or 'unreadable'}.") from error
    except (ValueError, OverflowError, RecursionError) as error:
        # PyYAML without libyaml passes on what `chr` and `int` say of an escape.
        raise UnreadableError(f"It is not YAML: {error}.") from error


def _documents(events: Iterable[yaml.Event]) -> Iterator[Any]:
    document = object()
    open_nodes: list[_Node] = []
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.DocumentStartEvent):
            document = None
        elif isinstance(event, yaml.DocumentEndEvent):
            yield document
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            node = _node(event, line)
            if open_nodes:
                open_nodes[-1].add(node, event, line)
            else:
                document = node
            if isinstance(event, yaml.CollectionStartEvent):
                if len(open_nodes) == MOST_NESTED:
                    raise UnreadableError(f"It is nested too deeply at line {line}.")
                open_nodes.append(_Node(node))


def _node(event: yaml.NodeEvent, line: int) -> Any:
    if isinstance(event, yaml.AliasEvent):
        raise UnreadableError(
            f"At line {line} is an alias, *{_short(str(event.anchor))}: write out what it stands for."
        )
    tag = getattr(event, "tag", None)
    if tag not in _TAGS:
        raise UnreadableError(f"At line {line} is a tag, {_short(str(tag).replace(_YAML_TAGS, '!!'))}: leave it out.")
    if isinstance(event, yaml.ScalarEvent):
        return None if _is_plain(event) and event.value in _NULLS else event.value
    return LocatedList() if isinstance(event, yaml.SequenceStartEvent) else Located(line)


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return event.tag is None and bool(event.implicit[0])


class _Node:
    """A list or a mapping that is being filled; of a mapping, the key that waits for its value."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self._key: str | None = None

    def add(self, node: Any, event: yaml.NodeEvent, line: int) -> None:
        if isinstance(self._content, LocatedList):
            self._content.put(node, line)
        elif self._key is not None:
            self._content.put(self._key, node, line)
            self._key = None
        elif not isinstance(event, yaml.ScalarEvent):
            raise UnreadableError(f"At line {line} a list or a mapping stands where a name should be.")
        elif event.value == "<<" and _is_plain(event):
            raise UnreadableError(f"At line {line} is a merge key, <<: write out what it brings.")
        else:
            self._key = event.value


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
