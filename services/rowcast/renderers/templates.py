"""YAML with `${expression}` in its values: compiled once, rendered for each row.

A value that is one expression has its type; within more text it becomes text. `$${` is a plain `${`. A member of a
mapping whose value is NULL is left out, as Kubernetes leaves out what is null. Values can't change the structure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rowcast.core.renderer import Expression, ExpressionError, Template
from rowcast.renderers.positions import Path, dotted

Compile = Callable[[str, Path, int, int], Expression]
"""An expression's text, its value's path, and the line and column (from 0) within that value."""


class TemplateError(Exception):
    """A text whose `${` has no end; `line` and `column` are within the text, from 0."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True)
class Part:
    """A piece of a text: plain, or an expression with where it begins (from 0)."""

    text: str
    expression: bool
    line: int = 0
    column: int = 0


def split(text: str) -> list[Part]:
    """The pieces of a text. Braces and strings within an expression are its own. Raises TemplateError."""
    parts: list[Part] = []
    plain = ""
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > position and text[start - 1] == "$":
            plain += text[position : start - 1] + "${"
            position = start + 2
            continue
        plain += text[position:start]
        end = _end(text, start + 2)
        if end is None:
            raise TemplateError("${ has no end", *_place(text, start))
        if plain:
            parts.append(Part(plain, False))
        plain = ""
        parts.append(Part(text[start + 2 : end], True, *_place(text, start + 2)))
        position = end + 1
    plain += text[position:]
    return [*parts, Part(plain, False)] if plain or not parts else parts


def _end(text: str, position: int) -> int | None:
    """Where the brace is that ends an expression."""
    depth = 0
    while position < len(text):
        character = text[position]
        if character in "\"'":
            quote = character * 3 if text.startswith(character * 3, position) else character
            raw = position > 0 and text[position - 1] in "rR"
            position = _after_string(text, position + len(quote), quote, raw)
            continue
        if character == "{":
            depth += 1
        elif character == "}" and depth == 0:
            return position
        elif character == "}":
            depth -= 1
        position += 1
    return None


def _after_string(text: str, position: int, quote: str, raw: bool) -> int:
    while position < len(text) and not text.startswith(quote, position):
        position += 2 if text[position] == "\\" and not raw else 1
    return position + len(quote)


def _place(text: str, position: int) -> tuple[int, int]:
    line = text.count("\n", 0, position)
    return line, position - (text.rfind("\n", 0, position) + 1)


@dataclass(frozen=True, eq=False)
class _Constant:
    value: Any

    def __eq__(self, other: object) -> bool:
        # To Python, true is 1.
        return isinstance(other, _Constant) and (type(self.value), self.value) == (type(other.value), other.value)

    __hash__ = None  # type: ignore[assignment]

    def render(self, variables: Mapping[str, Any]) -> Any:
        return self.value


@dataclass(frozen=True)
class _Value:
    expression: Expression

    def render(self, variables: Mapping[str, Any]) -> Any:
        return self.expression.evaluate(variables)


@dataclass(frozen=True)
class _Text:
    parts: Sequence[str | Expression]
    place: str = field(compare=False)

    def render(self, variables: Mapping[str, Any]) -> str:
        return "".join(part if isinstance(part, str) else self._text(part, variables) for part in self.parts)

    def _text(self, part: Expression, variables: Mapping[str, Any]) -> str:
        value = part.evaluate(variables)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        kind = {type(None): "NULL", list: "a list", dict: "a mapping"}[type(value)]
        raise ExpressionError(f"{kind} can't stand within a text", self.place)


@dataclass(frozen=True)
class _Mapping:
    members: Sequence[tuple[str, Any]]

    @cached_property
    def _constants(self) -> dict[str, Any]:
        """All members in their order, with the values of those that have one whatever the row is."""
        all_members = ((name, member.value if isinstance(member, _Constant) else ...) for name, member in self.members)
        return {name: value for name, value in all_members if value is not None}

    @cached_property
    def _others(self) -> list[tuple[str, Callable[[Mapping[str, Any]], Any]]]:
        return [(name, member.render) for name, member in self.members if not isinstance(member, _Constant)]

    def render(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        rendered = self._constants.copy()
        for name, render in self._others:
            value = render(variables)
            if value is None:
                del rendered[name]
            else:
                rendered[name] = value
        return rendered


@dataclass(frozen=True)
class _List:
    items: Sequence[Any]

    def render(self, variables: Mapping[str, Any]) -> list[Any]:
        return [item.render(variables) for item in self.items]


class _Slot:
    """The value of two equal templates for the variables that they were last rendered with."""

    variables: Mapping[str, Any] | None = None
    value: Any = None


@dataclass(frozen=True)
class _Once:
    """One of two equal templates. What it raises is not kept: the other one raises it with its own place."""

    template: Template
    slot: _Slot

    def render(self, variables: Mapping[str, Any]) -> Any:
        slot = self.slot
        if slot.variables is not variables:
            slot.value = self.template.render(variables)
            slot.variables = variables
        return slot.value


def share(one: Any, other: Any) -> tuple[Any, Any]:
    """Two compiled templates of the same language, such that what is equal in both is rendered once.

    They give what they gave, and the same object where they are equal, if they get the same object of variables.
    """
    if one == other:
        slot = _Slot()
        return (one, one) if isinstance(one, _Constant) else (_Once(one, slot), _Once(other, slot))
    if isinstance(one, _Mapping) and isinstance(other, _Mapping):
        had, has = dict(one.members), dict(other.members)
        for name in had.keys() & has.keys():
            had[name], has[name] = share(had[name], has[name])
        return _Mapping(list(had.items())), _Mapping(list(has.items()))
    if isinstance(one, _List) and isinstance(other, _List):
        pairs = [share(*pair) for pair in zip(one.items, other.items, strict=False)]
        both = ([pair[side] for pair in pairs] for side in (0, 1))
        return tuple(  # type: ignore[return-value]
            _List([*shared, *items[len(pairs) :]]) for shared, items in zip(both, (one.items, other.items), strict=True)
        )
    return one, other


def single(template: Template | None) -> Any:
    """The value of a template that is a constant, the expression of one that is nothing else; None for any other."""
    match template:
        case _Constant():
            return template.value
        case _Value():
            return template.expression
    return None


def compile_template(content: Any, compile_expression: Compile, path: Path = ()) -> Any:
    """A Template of what YAML had. Raises TemplateError; what `compile_expression` raises, too."""
    match content:
        case dict():
            return _Mapping(
                [(name, compile_template(value, compile_expression, (*path, name))) for name, value in content.items()]
            )
        case list():
            return _List([compile_template(each, compile_expression, (*path, at)) for at, each in enumerate(content)])
        case str():
            return _compile_text(content, compile_expression, path)
    return _Constant(content)


def _compile_text(text: str, compile_expression: Compile, path: Path) -> Any:
    try:
        parts = split(text)
    except TemplateError as error:
        error.path = path  # type: ignore[attr-defined]
        raise
    compiled = [
        compile_expression(part.text, path, part.line, part.column) if part.expression else part.text for part in parts
    ]
    if len(compiled) == 1:
        return _Constant(compiled[0]) if isinstance(compiled[0], str) else _Value(compiled[0])
    return _Text(compiled, dotted(path))
