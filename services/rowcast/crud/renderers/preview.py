"""What a row becomes by a declaration, one that was applied or one that wasn't: rendered here, nobody is asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from rowcast.core.renderer import ExpressionError, RenderedManifest, Renderer
from rowcast.core.row import RowKey
from rowcast.core.shapes import RowShape, shape_of
from rowcast.crud.errors import FieldError, MissingError
from rowcast.crud.renderers import revisions, rows
from rowcast.crud.sources.catalogue import read_shape
from rowcast.renderers.cel import Language
from rowcast.renderers.columns import check_row
from rowcast.renderers.declaration import check, read_renderer
from rowcast.renderers.golden import read_tests
from rowcast.renderers.positions import ProblemsError, dotted, read
from rowcast.renderers.rendering import render


@dataclass(frozen=True)
class Question:
    """A row by its `key`, with the columns of `row` as these say; without a key `row` is all of it.

    By the declaration `spec`, which may be applied or not, or by a `revision`: if None, the row's own, or the one that
    new rows are of.
    """

    key: str | None = None
    row: Mapping[str, Any] | None = None
    spec: str | None = None
    revision: int | None = None


@dataclass(frozen=True)
class Fault:
    """What is wrong at a `path` of the declaration or of the row; line and column, from 1, where they are known."""

    path: str
    expression: str
    message: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Preview:
    """What the row becomes, or why it becomes nothing. Name and environment are None where they aren't known."""

    name: str | None = None
    environment: str | None = None
    manifests: Sequence[RenderedManifest] = ()
    errors: Sequence[Fault] = ()


def preview(connection: Connection, name: str, asked: Question) -> Preview:
    """Of a row of a renderer. Raises MissingError for what isn't there, FieldError for what is no question."""
    applied = revisions.get(connection, name)
    if applied is None:
        raise MissingError(f"there is no renderer {name}")
    if asked.key is None and asked.row is None:
        raise FieldError("key", "required", "name a row by its key, or give one by row")
    if asked.spec is not None and asked.revision is not None:
        raise FieldError("revision", "conflict", "is either spec or a revision")
    captured = rows.get(connection, RowKey(name, asked.key)) if asked.key is not None else None
    if asked.key is not None and captured is None:
        raise MissingError(f"renderer {name} has no row {asked.key}")
    text, shape = asked.spec, None
    if text is None:
        number = asked.revision or (captured["revision"] if captured else applied["revision"])
        found = revisions.revision(connection, name, number)
        if found is None:
            raise MissingError(f"there is no revision {number} of a renderer {name}")
        text, shape = found["text"], shape_of(found["shape"])
    try:
        renderer, shape = _declaration(connection, text, shape)
    except ProblemsError as error:
        faults = (Fault(each.path, "", each.message, each.place.line, each.place.column) for each in error.problems)
        return Preview(errors=list(faults))
    had = captured["row"] if captured else {}
    row = {**_known(had, shape), **(asked.row or {})}
    return _rendered(text, renderer, shape, row)


def _declaration(connection: Connection, text: str, shape: RowShape | None) -> tuple[Renderer, RowShape]:
    return (read_renderer(text, shape), shape) if shape is not None else check_declaration(connection, text)


def check_declaration(connection: Connection, text: str) -> tuple[Renderer, RowShape]:
    """One that need not be applied, with its tests, against the tables as they are. Raises ProblemsError."""

    checked = check(text, partial(read_shape, connection))
    read_tests(text)
    return checked


def _known(row: Mapping[str, Any], shape: RowShape) -> dict[str, Any]:
    """What was captured by another declaration may have more than this one knows."""
    return {name: value for name, value in row.items() if name in shape.columns or name in shape.related}


def _rendered(text: str, renderer: Renderer, shape: RowShape, row: Mapping[str, Any]) -> Preview:
    try:
        check_row(shape, row)
        found = render(renderer, Language(shape), row)
    except ExpressionError as error:
        line, column = next(_places(text, error.path), (None, None))
        return Preview(errors=[Fault(error.path, error.expression, error.message, line, column)])
    except RecursionError:
        return Preview(errors=[Fault("row", "", "is nested too deeply")])
    return Preview(found.name, found.environment, found.manifests)


def _places(text: str, path: str) -> Iterator[tuple[int, int]]:
    return ((place.line, place.column) for each, place in read(text).places.items() if each and dotted(each) == path)
