"""The declaration as JSON Schema (2020-12), for editors: its structure, not its expressions or the table's columns.

What it refuses the reader (`declaration`, `golden`) refuses, too; the fields are the same in both.
"""

from collections.abc import Mapping
from typing import Any

from rowcast.core.promotion import DURATION
from rowcast.core.row import APP_CONFIGS
from rowcast.renderers.declaration import ALIAS, API_VERSION, ID, NAME

Schema = Mapping[str, Any]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BELOW = r"^(?!/)(?!(.*/)?\.\.(/|$))"
"""A relative path that doesn't lead upwards."""


def json_schema() -> Schema:
    """The whole schema."""
    return {
        "$schema": _DIALECT,
        "title": "Renderer",
        **_object(
            "How the rows of one table become resources.",
            {
                "apiVersion": {"const": API_VERSION},
                "kind": {"const": "Renderer"},
                "metadata": _object(
                    "",
                    {
                        "name": _text(
                            "The renderer's name: lower-case letters, digits and -, at most 40, a letter first.",
                            pattern=_whole(NAME.pattern),
                            **{"not": {"const": APP_CONFIGS}},
                        )
                    },
                    required=["name"],
                ),
                "spec": _spec(),
            },
            required=["apiVersion", "kind", "metadata", "spec"],
        ),
    }


def _spec() -> Schema:
    return _object(
        "",
        {
            "source": _source(),
            "name": _text("What people call the row: a text with ${expressions} over `row`."),
            "environment": {
                "type": "string",
                "description": "The row's environment, which chooses the place: a text with ${expressions}.",
                "default": "default",
            },
            "allow": _object(
                "What the rows may become; the rights of sync-k8s follow from it.",
                {
                    "kinds": _texts("Each Kind or group/Kind, without patterns.", minItems=1),
                    "namespaces": _texts("Patterns of namespaces, such as team-*; any, if there is none."),
                },
                required=["kinds"],
            ),
            "manifests": {
                "description": "The resources of a row.",
                "type": "array",
                "minItems": 1,
                "items": _manifest(),
            },
            "promotion": _promotion(),
            "tests": {
                "description": "Rows and what they become, for `rowcast renderer test`.",
                "type": ["array", "null"],
                "items": _test(),
            },
        },
        required=["source", "name", "allow", "manifests"],
    )


def _source() -> Schema:
    related = _object(
        "Related rows, as the list `row.NAME`.",
        {
            "table": _text("schema.table, or a name in public."),
            "on": {
                "description": "Columns of the related table to columns of the row.",
                "type": "object",
                "additionalProperties": {"type": "string"},
            },
            "columns": _texts("What is captured of the related rows.", minItems=1),
        },
        required=["table", "on", "columns"],
    )
    return _object(
        "The table, and what is captured of it.",
        {
            "table": _text("schema.table, or a name in public; as the catalogue has it, without quotes."),
            "key": _texts("The columns that name one row: the primary key, or a unique index.", minItems=1),
            "exclude": _texts("Columns that never leave the table, and that expressions don't have."),
            "where": _text("An expression (bool); a row for which it is not true has no manifests."),
            "edit": {
                "description": "Whether the API may create, change and delete the table's rows.",
                "type": "boolean",
                "default": False,
            },
            "with": {
                "description": "Related rows by the name that they have in `row`.",
                "type": ["object", "null"],
                "propertyNames": {"pattern": _whole(ALIAS.pattern)},
                "additionalProperties": related,
            },
        },
        required=["table", "key"],
    )


def _promotion() -> Schema:
    gates = {
        "healthy": _text(
            "How long it must have been healthy where it comes from: 90s, 30m, 4h, 2d.",
            pattern=_whole(DURATION.pattern),
        ),
        "approval": {
            "description": "Whether somebody else than who asks has to approve.",
            "type": "boolean",
            "default": False,
        },
    }
    return _object(
        "How fields are copied from a row's counterpart: the row of the same thing, one place before it.",
        {
            "match": _texts("Columns in which counterparts are equal.", minItems=1, uniqueItems=True),
            "along": _text("The column that says in which place a row is."),
            "order": _texts("Its values, the first where a change begins.", minItems=2, uniqueItems=True),
            "fields": _texts("The columns that are copied.", minItems=1, uniqueItems=True),
            "gates": {**_object("", gates, required=[]), "type": ["object", "null"]},
        },
        required=["match", "along", "order", "fields"],
    )


def _manifest() -> Schema:
    plain = _text("A plain text, without ${expressions}.", minLength=0, **{"not": {"pattern": r"\$\{"}})
    return _object(
        "",
        {
            "id": _text("Lower-case letters, digits and -.", pattern=_whole(ID.pattern)),
            "template": {
                "description": "The resource; its values may have ${expressions}.",
                "type": "object",
                "properties": {
                    "apiVersion": plain,
                    "kind": plain,
                    "metadata": {"type": "object", "required": ["name"]},
                },
                "required": ["apiVersion", "kind", "metadata"],
            },
            "after": _texts("The ids of manifests that come first."),
            "when": _text("An expression (bool): whether the row has this resource."),
            "for": {
                "description": "{VARIABLE: expression}: one resource for each item of a list.",
                "type": ["object", "null"],
                "maxProperties": 1,
                "propertyNames": {"pattern": _whole(ALIAS.pattern), "not": {"const": "row"}},
                "additionalProperties": _text("An expression (list)."),
            },
            "delete": _choice("What becomes of the resource when the row wants it no more.", "delete", "retain"),
            "conflict": _choice("What becomes of a resource that is not Rowcast's.", "refuse", "adopt"),
            "create": _choice("Whether it is kept as the row says, or only made.", "always", "once"),
            "ignore": _texts("Paths (spec.replicas) that are set when it is made and are somebody else's afterwards."),
            "ready": _text("An expression (bool) over `self`, the live object; by the kind, if there is none."),
        },
        required=["id", "template"],
    )


def _test() -> Schema:
    return {
        **_object(
            "A row with what it becomes, or with a part of the error that it ends in.",
            {
                "name": _text("What the test is called: the file, if there is none."),
                "row": {
                    "description": "A row as it is captured, or the file of one, beside the declaration or below.",
                    "type": ["object", "string"],
                    "minLength": 1,
                    "pattern": _BELOW,
                },
                "expect": _text("The file of what it becomes, beside the declaration or below.", pattern=_BELOW),
                "error": _text("A part of the error that it ends in."),
            },
            required=["row"],
        ),
        "oneOf": [{"required": ["expect"]}, {"required": ["error"]}],
    }


def _object(description: str, properties: Schema, required: list[str]) -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {**said, "type": "object", "additionalProperties": False, "required": required, "properties": properties}


def _text(description: str, **limits: Any) -> Schema:
    return {"description": description, "type": "string", "minLength": 1, **limits}


def _texts(description: str, **limits: Any) -> Schema:
    return {"description": description, "type": "array", "items": {"type": "string", "minLength": 1}, **limits}


def _choice(description: str, default: str, other: str) -> Schema:
    return {"description": description, "enum": [default, other], "default": default}


def _whole(pattern: str) -> str:
    """JSON Schema looks for a pattern anywhere in a text."""
    return f"^(?:{pattern})$"
