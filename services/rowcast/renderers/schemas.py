"""What fields the kinds have, by a cluster's OpenAPI v3: kept without its prose, and templates judged by it. Pure.

(Kubernetes, "The Kubernetes API", OpenAPI V3; "Extend the Kubernetes API with CustomResourceDefinitions", structural
schemas. A field of our own API servers' types is published with an empty default where it is no pointer.)
"""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rowcast.renderers.positions import Path
from rowcast.renderers.templates import TemplateError, split

Schema = Mapping[str, Any]
_REFERENCE = "#/components/schemas/"
_BUILT_IN = "io.k8s."
_KINDS = "x-kubernetes-group-version-kind"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_PLAIN = ("$ref", "type", "format", "enum", "required", "default", _PRESERVE, _INT_OR_STRING)
_ALTERNATIVES = ("allOf", "oneOf", "anyOf")
_GENERIC = re.compile(r"(LIST|MAP)<(.*)>")
_JSON_TYPES = {"INT": "integer", "UINT": "integer", "DOUBLE": "number", "BOOL": "boolean", "STRING": "string"}
_JSON_TYPES |= {"LIST": "array", "MAP": "object"}
_HINTS = {"string": "string", "integer": "int", "number": "double"}
_SHOWN = 12


@dataclass(frozen=True)
class KindSchema:
    """A version of a kind: `root` among the definitions, which have all that it refers to."""

    api_version: str
    kind: str
    root: str
    definitions: Mapping[str, Schema]

    @property
    def allowed_as(self) -> str:
        """As a declaration's `allow` has it, of any version."""
        return _allowed_as(self.api_version, self.kind)

    @property
    def file_name(self) -> str:
        """Such as `Deployment.apps_v1.json`."""
        return f"{self.kind}.{self.api_version.replace('/', '_')}.json"

    def as_json(self) -> str:
        """The file's text."""
        content = {"apiVersion": self.api_version, "kind": self.kind, "root": self.root}
        return json.dumps({**content, "definitions": self.definitions}, sort_keys=True, separators=(",", ":")) + "\n"


def read_schema(text: str) -> KindSchema:
    """The schema of a file. Raises ValueError."""
    content = json.loads(text)
    try:
        return KindSchema(content["apiVersion"], content["kind"], content["root"], content["definitions"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"is none of `rowcast renderer schemas`: {error}") from None


def schemas_of(document: Mapping[str, Any], kinds: Collection[str]) -> Iterator[KindSchema]:
    """What an OpenAPI document of one group and version has of these kinds, each `Kind` or `group/Kind`."""
    definitions = document.get("components", {}).get("schemas", {})
    for name, definition in definitions.items():
        for known in definition.get(_KINDS, ()):
            version = f"{known['group']}/{known['version']}" if known["group"] else known["version"]
            if _allowed_as(version, known["kind"]) in kinds:
                yield KindSchema(version, known["kind"], name, _reachable(name, definitions))


def _allowed_as(api_version: str, kind: str) -> str:
    group, slash, _ = api_version.partition("/")
    return f"{group}/{kind}" if slash else kind


def _reachable(root: str, definitions: Mapping[str, Schema]) -> Mapping[str, Schema]:
    found: dict[str, Schema] = {}
    names = [root]
    while names:
        name = names.pop()
        if name not in found and name in definitions:
            found[name] = _without_prose(definitions[name], names)
    return found


def _without_prose(schema: Schema, references: list[str]) -> Schema:
    kept: dict[str, Any] = {name: schema[name] for name in _PLAIN if name in schema}
    if isinstance(schema.get("$ref"), str):
        references.append(schema["$ref"].removeprefix(_REFERENCE))
    if isinstance(schema.get("properties"), dict):
        kept["properties"] = {name: _without_prose(each, references) for name, each in schema["properties"].items()}
    for name in ("items", "additionalProperties"):
        if name in schema:
            value = schema[name]
            kept[name] = _without_prose(value, references) if isinstance(value, dict) else value
    for name in _ALTERNATIVES:
        if name in schema:
            kept[name] = [_without_prose(each, references) for each in schema[name]]
    return kept


class Kinds:
    """The kinds that are known, and where they are known from."""

    def __init__(self, schemas: Iterable[KindSchema], place: str) -> None:
        self._known = {(each.api_version, each.kind): each for each in schemas}
        self._place = place

    def problems(self, template: Mapping[str, Any], at: Path, types: Mapping[Path, str]) -> Iterator[tuple[Path, str]]:
        """What is wrong with a template that stands at `at`; `types` are those of its expressions, as CEL calls them,
        by the path of a value that is nothing but one.
        """
        version, kind = str(template.get("apiVersion")), str(template.get("kind"))
        schema = self._known.get((version, kind))
        if schema is None:
            near = [known for known in self._known if known[1] == kind]
            near = near or [known for known in self._known if difflib.get_close_matches(kind, [known[1]])]
            there = " or ".join(f"{known_version} {name}" for known_version, name in near)
            yield (
                (*at, "kind"),
                f"there is no {version} {kind} in {self._place}" + (f"; there is {there}" if near else ""),
            )
            return
        yield from _Judge(schema.definitions, types).judge({"$ref": _REFERENCE + schema.root}, template, at)


class _Judge:
    def __init__(self, definitions: Mapping[str, Schema], types: Mapping[Path, str]) -> None:
        self._definitions = definitions
        self._types = types

    def judge(self, schema: Schema, value: Any, path: Path) -> Iterator[tuple[Path, str]]:
        """A value of a template, by the schema of its place."""
        schema = self._whole(schema)
        if isinstance(value, str):
            yield from self._judge_text(schema, value, path)
        elif isinstance(value, dict) and _may_be(schema, "object"):
            yield from self._judge_members(schema, value, path)
        elif isinstance(value, list) and _may_be(schema, "array"):
            for index, item in enumerate(value):
                yield from self.judge(schema.get("items") or {}, item, (*path, index))
        elif value is not None and not _may_be(schema, _type_of(value)):
            yield path, _mistaken(schema, _type_of(value))

    def _judge_text(self, schema: Schema, text: str, path: Path) -> Iterator[tuple[Path, str]]:
        try:
            parts = split(text)
        except TemplateError:
            return  # that is said already
        if len(parts) == 1 and parts[0].expression:
            yield from ((path, message) for message in self._judge_type(schema, self._types.get(path, "DYN")))
        elif not _may_be(schema, "string"):
            yield path, _mistaken(schema, "string")
        elif len(parts) == 1 and schema.get("enum") and parts[0].text not in schema["enum"]:
            choices = [str(choice) for choice in schema["enum"]]
            near = difflib.get_close_matches(parts[0].text, choices, 1)
            yield path, f"must be {' or '.join(choices)}" + (f"; {near[0]} is meant?" if near else "")

    def _judge_type(self, schema: Schema, result: str, within: str = "") -> Iterator[str]:
        """The type of an expression's result."""
        schema = self._whole(schema)
        generic = _GENERIC.fullmatch(result)
        name = generic[1] if generic else result
        if name in ("DYN", "NULL"):
            return
        actual = _JSON_TYPES.get(name)
        if actual is None or not _may_be(schema, actual):
            yield within + _mistaken(schema, actual or name.lower(), expression=True)
        elif generic and name == "LIST":
            yield from self._judge_type(schema.get("items") or {}, generic[2], f"{within}each of its items ")
        elif generic and isinstance(schema.get("additionalProperties"), dict):
            inner = generic[2].partition(", ")[2]
            yield from self._judge_type(schema["additionalProperties"], inner, f"{within}each of its values ")

    def _judge_members(self, schema: Schema, value: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str]]:
        known: Mapping[str, Schema] = schema.get("properties") or {}
        others = schema.get("additionalProperties")
        for name, member in value.items():
            if name in known:
                yield from self.judge(known[name], member, (*path, name))
            elif isinstance(others, dict):
                yield from self.judge(others, member, (*path, name))
            elif known and not others and not schema.get(_PRESERVE):
                near = difflib.get_close_matches(name, list(known), 1)
                there = f"; there is {', '.join(sorted(known))}" if len(known) <= _SHOWN else ""
                yield (*path, name), "there is no such field" + (f"; {near[0]} is meant?" if near else there)
        for name in schema.get("required") or ():
            if name not in value and not self._has_default(schema, known.get(name, {})):
                yield path, f"{name} is missing"

    def _has_default(self, schema: Schema, member: Schema) -> bool:
        # What is published of the built-in kinds' defaults is what their fields are in Go where nothing is said.
        return "default" in self._whole(member) and not schema["built_in"]

    def _whole(self, schema: Schema) -> Schema:
        """A schema with what it refers to; `built_in` says that it is of one of the API server's own types."""
        whole: dict[str, Any] = {"built_in": False, **schema}
        parts = [self._whole(each) for each in schema.get("allOf") or ()]
        if isinstance(name := schema.get("$ref"), str):
            name = name.removeprefix(_REFERENCE)
            whole["built_in"] = name.startswith(_BUILT_IN)
            parts.append({**self._whole(self._definitions.get(name, {})), "built_in": name.startswith(_BUILT_IN)})
        for part in parts:
            properties = {**whole.get("properties", {}), **part.get("properties", {})}
            required = [*whole.get("required", ()), *part.get("required", ())]
            whole = {**whole, **part, "required": required, "built_in": whole["built_in"] or part["built_in"]}
            if properties:
                whole["properties"] = properties
        return whole


def _types(schema: Schema) -> Sequence[str] | None:
    """Which types of JSON a value may have; None if any."""
    if schema.get(_INT_OR_STRING) or schema.get("format") == "int-or-string":
        return ["integer", "string"]
    if isinstance(schema.get("type"), str):
        return [schema["type"]]
    alternatives = [*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ())]
    found = [each["type"] for each in alternatives if isinstance(each.get("type"), str)]
    if found and len(found) == len(alternatives):
        return found
    return ["object"] if schema.get("properties") else None


def _may_be(schema: Schema, actual: str) -> bool:
    types = _types(schema)
    return types is None or actual in types or (actual == "integer" and "number" in types)


def _mistaken(schema: Schema, actual: str, expression: bool = False) -> str:
    types = _types(schema) or ()
    hint = _HINTS.get(types[0]) if expression and types and actual in _HINTS else None
    return f"must be {' or '.join(types)}, and is {actual}" + (f"; use {hint}(…)" if hint else "")


def _type_of(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "string")
