"""YAML that remembers where each of its values stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]
DEEPEST = 60


@dataclass(frozen=True, order=True)
class Place:
    """A line and a column, each counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file at a place; `path` is how the value is called there."""

    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        return f"{self.place.line}:{self.place.column}: {path}{self.message}"


class ProblemsError(Exception):
    """A text that can't be read; `problems` has all that is wrong, in the order of the text."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Document:
    """A text's value, and the place of each value in it by path."""

    content: Any
    places: Mapping[Path, Place]
    texts: Mapping[Path, Place]
    """Where the first character of a text is: after its quote, or below its `|`."""

    def problem(self, path: Path, message: str, line: int = 0, column: int = 0) -> Problem:
        """`line` and `column` are within the value, where it is a text (from 0)."""
        known = path
        while known not in self.places:
            known = known[:-1]
        place = self.places[known]
        if (line or column) and known in self.texts:
            start = self.texts[known]
            # The lines of a block begin where the first does.
            block = start.line > place.line
            place = Place(start.line + line, column + (start.column if block or not line else 1))
        return Problem(place, dotted(path), message)


def dotted(path: Path) -> str:
    """A path as people write it: `spec.manifests[0].template`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(text: str) -> Document:
    """The one document of a text. Raises ProblemsError for what is no YAML, or more than a declaration needs."""
    places: dict[Path, Place] = {}
    texts: dict[Path, Place] = {}
    lines = text.splitlines()
    problems: list[Problem] = []

    def build(node: yaml.Node, path: Path) -> Any:
        place = _place(node.start_mark)
        places[path] = place
        if len(path) > DEEPEST:
            problems.append(Problem(place, dotted(path[:3]), f"is nested more than {DEEPEST} deep"))
            return None
        if isinstance(node, yaml.MappingNode):
            return dict(members(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [build(item, (*path, index)) for index, item in enumerate(node.value)]
        texts[path] = _first_character(node, lines)
        return _CONSTRUCTOR.construct_object(node)

    def members(node: yaml.MappingNode, path: Path) -> list[tuple[str, Any]]:
        pairs: list[tuple[str, Any]] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                problems.append(Problem(_place(key.start_mark), dotted(path), "has a key that is no plain text"))
                continue
            if key.value in {name for name, _ in pairs}:
                problems.append(Problem(_place(key.start_mark), dotted((*path, key.value)), "is there twice"))
            pairs.append((key.value, build(value, (*path, key.value))))
        return pairs

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ProblemsError([Problem(Place(1, 1), "", "is empty")])
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ProblemsError([Problem(Place(1, 1), "", "has aliases (*name), which a declaration can't have")])
        content = build(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = _place(mark) if mark else Place(1, 1)
        raise ProblemsError([Problem(place, "", f"is no YAML: {getattr(error, 'problem', None) or error}")]) from None
    except ValueError as error:
        raise ProblemsError([Problem(Place(1, 1), "", f"is no YAML: {error}")]) from None
    if problems:
        raise ProblemsError(sorted(problems))
    return Document(content, places, texts)


class _Constructor(yaml.constructor.SafeConstructor):
    """As JSON has values: what YAML 1.1 takes for dates and bytes stays the text that it is."""


for _tag in ("timestamp", "binary"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_tag}", lambda _, node: node.value)
_CONSTRUCTOR = _Constructor()


def _first_character(node: yaml.Node, lines: list[str]) -> Place:
    start = _place(node.start_mark)
    style = getattr(node, "style", None)
    if style in ("|", ">"):
        below = lines[start.line] if start.line < len(lines) else ""
        return Place(start.line + 1, len(below) - len(below.lstrip()) + 1)
    return Place(start.line, start.column + (1 if style in ("'", '"') else 0))


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)
