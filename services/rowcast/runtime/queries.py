"""What a query may be: the parameters that the route has, each once, as UTF-8 text."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin
from urllib.parse import unquote_to_bytes

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError

from rowcast.runtime.problems import EVENTS_PREFIX


async def refuse_unknown_query(request: Request) -> None:
    """A dependency of every route: a filter that is misspelt would otherwise be none. Raises RequestValidationError."""
    if not request.scope["query_string"] or request.scope["path"].startswith(EVENTS_PREFIX):
        return
    known = dict(_known(request.scope["route"].dependant))
    errors = [_error(name, *error) for name, error in _errors(request, known)]
    if errors:
        raise RequestValidationError(errors)


def _known(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The names, and whether one may be there several times."""
    for field in dependant.query_params:
        yield field.alias, _is_list(field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _known(inner)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_is_list(part) for part in get_args(annotation))


def _errors(request: Request, known: dict[str, bool]) -> Iterator[tuple[str, tuple[str, str]]]:
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()
    except UnicodeDecodeError:
        yield "parameters", ("unicode", "must be UTF-8")
        return
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known:
            yield name, ("unknown-parameter", f"is not among {', '.join(sorted(known)) or 'none'}")
        elif name in seen and not known[name]:
            yield name, ("duplicate", "must be there once")
        elif "\x00" in value:
            yield name, ("printable", "must not have NUL characters")
        seen.add(name)


def _error(name: str, rule: str, message: str) -> dict[str, Any]:
    return {"type": rule, "loc": ("query", name), "msg": message, "input": None}
