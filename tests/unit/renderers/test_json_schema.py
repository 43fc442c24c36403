"""The JSON Schema of the declaration says what the reader says."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from examples import examples
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.golden import read_tests
from rowcast.renderers.json_schema import json_schema
from rowcast.renderers.positions import ProblemsError, read

ROOT = Path(__file__).parents[3]
SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*/*.yaml") if not path.name.endswith(".columns.yaml"))
WHOLE = """\
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: hosts}
spec:
  source:
    table: public.hosts
    key: [region, id]
    exclude: [secret]
    where: row.active
    edit: true
    with:
      ports: {table: ports, on: {host: id}, columns: [number]}
  name: ${row.slug}
  environment: ${row.region}
  allow: {kinds: [ConfigMap], namespaces: ["team-*"]}
  manifests:
    - id: port
      after: [host]
      when: row.active
      for: {port: row.ports}
      delete: retain
      conflict: adopt
      create: once
      ignore: [data.a]
      ready: self.data.a == '1'
      template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${row.slug}-1", namespace: team-a}}
    - id: host
      template: {apiVersion: v1, kind: ConfigMap, metadata: {name: "${row.slug}"}}
  promotion:
    match: [slug]
    along: region
    order: [eu, us]
    fields: [version]
    gates: {healthy: 30m, approval: true}
  tests:
    - {name: one, row: {region: eu}, expect: golden/one.yaml}
    - {row: rows/two.yaml, error: is without id}
"""
CONTENT: Any = read(WHOLE).content


def problems(content: Any) -> list[str]:
    """What the reader says of a declaration of this content."""
    text = json.dumps(content)
    said: list[str] = []
    for reads in (read_renderer, read_tests):
        try:
            reads(text)
        except ProblemsError as error:
            said += [f"{each.path}: {each.message}" for each in error.problems]
    return said


def test_it_is_a_schema_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "text", [WHOLE, *(path.read_text() for path in EXAMPLES)], ids=["whole", *(path.stem for path in EXAMPLES)]
)
def test_every_declaration_that_can_be_read_is_valid(text: str) -> None:
    assert problems(read(text).content) == []
    VALIDATOR.validate(read(text).content)


def mappings(
    schema: Any, content: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The mappings of a declaration whose fields are known, each with its schema."""
    if isinstance(content, dict) and schema.get("additionalProperties") is False:
        yield path, schema
    for name, child in content.items() if isinstance(content, dict) else ():
        below = schema.get("properties", {}).get(name) or schema.get("additionalProperties") or {}
        yield from mappings(below, child, (*path, name))
    for index, child in enumerate(content) if isinstance(content, list) else ():
        yield from mappings(schema.get("items", {}), child, (*path, index))


def at(content: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        content = content[part]
    return content


KNOWN = list(mappings(SCHEMA, CONTENT))


@pytest.mark.parametrize(("path", "schema"), KNOWN, ids=[".".join(map(str, path)) or "root" for path, _ in KNOWN])
def test_the_reader_knows_the_fields_of_the_schema_and_no_others(path: tuple[str | int, ...], schema: Any) -> None:
    content = copy.deepcopy(CONTENT)
    at(content, path)["0"] = 1

    [said] = [one for one in problems(content) if "; there is " in one]

    assert set(said.partition("; there is ")[2].split(", ")) == set(schema["properties"])


@pytest.mark.parametrize(("path", "schema"), KNOWN, ids=[".".join(map(str, path)) or "root" for path, _ in KNOWN])
def test_the_reader_needs_the_fields_that_the_schema_needs(path: tuple[str | int, ...], schema: Any) -> None:
    for name in at(CONTENT, path):
        content = copy.deepcopy(CONTENT)
        del at(content, path)[name]

        # Of expect and error a test needs either.
        needed = name in schema["required"] or name in ("expect", "error")

        assert VALIDATOR.is_valid(content) is not needed, name
        assert bool(problems(content)) is needed, name


def test_each_field_of_the_schema_is_in_the_declaration_that_it_is_tested_with() -> None:
    there: dict[str, set[str]] = {}
    for path, schema in KNOWN:
        there.setdefault(json.dumps(schema), set()).update(at(CONTENT, path))

    assert {text: set(json.loads(text)["properties"]) for text in there} == there


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("apiVersion",), "rowcast.dev/v1"),
        (("kind",), "Rendrer"),
        (("metadata", "name"), "appconfigs"),
        (("metadata", "name"), "Hosts"),
        (("metadata", "name"), "a" * 41),
        (("spec", "name"), 5),
        (("spec", "name"), ""),
        (("spec", "environment"), None),
        (("spec", "source", "table"), ""),
        (("spec", "source", "key"), []),
        (("spec", "source", "key"), "id"),
        (("spec", "source", "edit"), "yes"),
        (("spec", "source", "where"), True),
        (("spec", "source", "with"), {"a-b": {"table": "a", "on": {}, "columns": ["a"]}}),
        (("spec", "allow", "kinds"), []),
        (("spec", "manifests"), []),
        (("spec", "manifests", 0, "id"), "A"),
        (("spec", "manifests", 0, "delete"), "keep"),
        (("spec", "manifests", 0, "for"), {"row": "row.ports"}),
        (("spec", "manifests", 0, "for"), {"a": "row.ports", "b": "row.ports"}),
        (("spec", "manifests", 0, "template"), {}),
        (("spec", "manifests", 0, "template", "kind"), "${row.kind}"),
        (("spec", "manifests", 0, "template", "metadata"), {}),
        (("spec", "tests", 0, "row"), None),
        (("spec", "tests", 0, "row"), "../one.yaml"),
        (("spec", "tests", 0, "expect"), "a/.."),
        (("spec", "tests", 0, "expect"), "/one.yaml"),
        (("spec", "tests", 0, "error"), "both"),
    ],
)
def test_a_mistake_in_the_structure_is_refused_by_both(path: tuple[str | int, ...], value: Any) -> None:
    content = copy.deepcopy(CONTENT)
    at(content, path[:-1])[path[-1]] = value

    assert not VALIDATOR.is_valid(content)
    assert problems(content)


def places(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, child in children:
        yield (*path, name)
        yield from places(child, (*path, name))


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8) | st.sampled_from(
    ["row", "retain", "golden/a.yaml", "..", "a/../b", "${row.id}", "${", "self.a == 1", "public.a", "appconfigs"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


@given(st.sampled_from(list(places(CONTENT))), st.sampled_from(["replace", "remove", "rename", "add"]), TEXTS, VALUES)
@examples(100)
def test_what_the_schema_refuses_the_reader_refuses(
    path: tuple[str | int, ...], action: str, name: str, value: Any
) -> None:
    content = copy.deepcopy(CONTENT)
    parent, last = at(content, path[:-1]), path[-1]
    if action == "replace":
        parent[last] = value
    elif action == "remove":
        del parent[last]
    elif isinstance(parent, dict):
        parent[name] = parent.pop(last) if action == "rename" else value
    else:
        parent.append(value)

    assert VALIDATOR.is_valid(content) or problems(content)
