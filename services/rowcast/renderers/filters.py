"""Filters of a renderer's rows: expressions over `row`, and the row's `name` and `environment`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cel_expr_python import cel

from rowcast.core.renderer import ExpressionError, Renderer
from rowcast.core.shapes import RowShape
from rowcast.renderers.cel import CelExpression, CompileError, Language

_OTHERS = {"name": cel.Type.DYN, "environment": cel.Type.DYN}


class RowFilterError(Exception):
    """A filter that is none; `place` is which of them, from 0."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


class RowFilters:
    """Filters in their order; None is one that takes no row. Raises RowFilterError."""

    def __init__(self, renderer: Renderer, shape: RowShape, texts: Sequence[str | None]) -> None:
        """The name and the environment are as `renderer` has them; null where it gives none for a row."""
        self._renderer = renderer
        self._language = Language(shape)
        self._filters = [None if text is None else self._compile(place, text) for place, text in enumerate(texts)]

    def first(self, row: Mapping[str, Any], places: int) -> int | None:
        """Which of the first so many filters takes a captured row; one that has no value for it doesn't."""
        variables = self._variables(row)
        for place, each in enumerate(self._filters[:places]):
            try:
                if each is not None and variables and each.evaluate(variables) is True:
                    return place
            except ExpressionError:
                continue
        return None

    def name(self, row: Mapping[str, Any]) -> str | None:
        """A captured row's name."""
        variables = self._row(row)
        return _value(self._renderer.row_name, variables) if variables else None

    def names(self, row: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """A captured row's name and environment."""
        variables = self._variables(row)
        return variables.get("name"), variables.get("environment")

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Empty for a row that isn't of the shape."""
        try:
            return {"row": self._language.row(row)}
        except (ExpressionError, RecursionError):
            return {}

    def _variables(self, row: Mapping[str, Any]) -> dict[str, Any]:
        variables = self._row(row)
        if not variables:
            return {}
        name, environment = self._renderer.row_name, self._renderer.environment
        return variables | {"name": _value(name, variables), "environment": _value(environment, variables)}

    def _compile(self, place: int, text: str) -> CelExpression:
        try:
            compiled = self._language.compile(text, "filter", _OTHERS)
        except CompileError as error:
            raise RowFilterError(place, f"{error} (line {error.line + 1}, column {error.column + 1})") from None
        if compiled.type not in ("BOOL", "DYN"):
            raise RowFilterError(place, f"must be bool, and is {compiled.type.lower()}")
        return compiled


def _value(template: Any, variables: Mapping[str, Any]) -> Any:
    if template is None:
        return None
    try:
        value = template.render(variables)
    except ExpressionError:
        return None
    return value if isinstance(value, str) else None
