"""Strict JSON schemas for kubeconform, from what the API server says of its own types and of the operators'."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
LOCATION = "{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json"
"""How kubeconform finds a schema in the folder that `write_schemas` fills."""


def write_schemas(folder: Path, openapi: Mapping[str, Any], definitions: Iterable[Mapping[str, Any]]) -> None:
    """Writes one file for each type that the API server (its `/openapi/v2`) or a CRD describes.

    Both as the API server has them: in the operators' own files a YAML parser stumbles over what JSON keeps apart.
    """
    for definition in openapi["definitions"].values():
        for known in definition.get("x-kubernetes-group-version-kind", ()):
            schema = _strict(_resolved(definition, openapi["definitions"], ()))
            _write(folder, known["kind"], known["group"], known["version"], schema)
    for crd in definitions:
        spec = crd["spec"]
        for version in spec["versions"]:
            schema = _strict(_with_metadata(version["schema"]["openAPIV3Schema"]))
            _write(folder, spec["names"]["kind"], spec["group"], version["name"], schema)


def _write(folder: Path, kind: str, group: str, version: str, schema: Schema) -> None:
    # Of the core, which has no group, kubeconform takes the version for one.
    (folder / f"{kind.lower()}-{group or version}-{version}.json").write_text(json.dumps(schema))


def _with_metadata(schema: Schema) -> Schema:
    """A CRD says nothing of the metadata that the API server knows."""
    return {**schema, "properties": {**schema["properties"], "metadata": {"type": "object"}}}


def _resolved(schema: Any, definitions: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    """The schema with its references in place; what contains itself is left open where it begins again."""
    if isinstance(schema, list):
        return [_resolved(item, definitions, above) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        name = schema["$ref"].removeprefix("#/definitions/")
        return {} if name in above else _resolved(definitions[name], definitions, (*above, name))
    return {key: _resolved(value, definitions, above) for key, value in schema.items()}


def _strict(schema: Any) -> Any:
    """The schema in which an unknown field is an error, and a number is as good as a text where both may be."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    strict = {key: _strict(value) for key, value in schema.items()}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and "type" in schema and not open_ended:
        strict["additionalProperties"] = False
    return strict
