"""Values as the API has them, as texts that PostgreSQL reads as its own types. Pure."""

import json
from typing import Any

from rowcast.crud.errors import FieldError
from rowcast.crud.sources.catalogue import Column

_NUMBERS = frozenset({"int2", "int4", "int8", "oid", "numeric", "float4", "float8", "money"})
DOCUMENTS = frozenset({"json", "jsonb"})


def as_text(column: Column, value: Any) -> str | None:
    """What the type's input function takes; None for NULL. Numbers may be texts, documents are any JSON, arrays lists.

    Raises FieldError (rule `type`); what else is wrong only the database knows.
    """
    try:
        if value is None:
            return None
        if column.element is None:
            return _scalar(column.type, value)
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return _array(column.element, value)
    except ValueError as error:
        raise FieldError(column.name, "type", str(error)) from None


def _scalar(kind: str, value: Any) -> str:
    if kind in DOCUMENTS:
        return json.dumps(value)
    if isinstance(value, bool):
        if kind != "bool":
            raise ValueError("must be a text, and is a boolean")
        return "true" if value else "false"
    if isinstance(value, int | float):
        if kind not in _NUMBERS:
            raise ValueError(f"must be {'a boolean' if kind == 'bool' else 'a text'}, and is a number")
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"must be a text, and is {'a list' if isinstance(value, list) else 'an object'}")
    if b"\x00" in value.encode(errors="surrogatepass"):
        raise ValueError("must not have NUL characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode, and has half of a character") from None
    return value


def _array(kind: str, items: list[Any]) -> str:
    """An array's input (PostgreSQL's manual, Array Input and Output Syntax)."""
    return "{" + ",".join(_item(kind, item) for item in items) + "}"


def _item(kind: str, item: Any) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list) and kind not in DOCUMENTS:
        return _array(kind, item)
    escaped = _scalar(kind, item).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
