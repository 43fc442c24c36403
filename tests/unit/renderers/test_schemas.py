"""`rowcast renderer check` with the schemas of the kinds: what a template's fields may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rowcast.cli import app
from rowcast.renderers.schemas import Kinds, KindSchema, read_schema, schemas_of

COLUMNS = """
public.shops:
  keys: [[id]]
  columns: {id: int, name: string, size: double | null, open: bool, tags: list(string), doc: json, n: int | null}
"""
DECLARATION = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: public.shops, key: [id]}
  name: ${row.name}
  allow: {kinds: [Shop.example.com/Shop]}
  manifests:
    - id: shop
      template:
        apiVersion: example.com/v1
        kind: Shop
        metadata: {name: "${row.name}"}
        spec:
          replicas: 1
          mode: open
          FIELD
""".replace("Shop.example.com", "example.com")
REF = "#/components/schemas/"
DOCUMENT: dict[str, Any] = {
    "components": {
        "schemas": {
            "com.example.v1.Shop": {
                "description": "prose",
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string", "description": "prose"},
                    "kind": {"type": "string"},
                    "metadata": {"allOf": [{"$ref": f"{REF}io.k8s.ObjectMeta"}], "description": "prose"},
                    "spec": {
                        "type": "object",
                        "required": ["replicas", "mode", "defaulted"],
                        "properties": {
                            "replicas": {"type": "integer", "format": "int32"},
                            "defaulted": {"type": "string", "default": "x"},
                            "mode": {"type": "string", "enum": ["open", "closed"]},
                            "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}]},
                            "limit": {"$ref": f"{REF}io.k8s.Quantity"},
                            "ratio": {"type": "number"},
                            "public": {"type": "boolean"},
                            "description": {"type": "string"},
                            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                            "hosts": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "required": ["name"],
                                    "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
                                },
                            },
                            "words": {"type": "array", "items": {"type": "string"}},
                            "any": {"x-kubernetes-preserve-unknown-fields": True},
                            "self": {"$ref": f"{REF}com.example.v1.Shop"},
                        },
                    },
                },
                "x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Shop"}],
            },
            "io.k8s.ObjectMeta": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "labels": {"type": "object"}},
            },
            "io.k8s.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "io.k8s.Unrelated": {"type": "object"},
        }
    }
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "shops.columns.yaml").write_text(COLUMNS)
    folder = tmp_path / "schemas"
    folder.mkdir()
    for schema in schemas_of(DOCUMENT, ["example.com/Shop"]):
        (folder / schema.file_name).write_text(schema.as_json())
    return tmp_path / "shops.yaml"


def checked(file: Path, field: str, declaration: str = DECLARATION, *options: object) -> list[str]:
    file.write_text(declaration.replace("FIELD", field))
    result: Result = CliRunner().invoke(
        app, ["renderer", "check", str(file), *map(str, options)], env={"ROWCAST_DATABASE_URL": None}
    )
    assert result.exit_code in (0, 1), result.output
    return [line.removeprefix(f"{file}:") for line in result.stdout.splitlines()]


def test_a_schema_is_kept_with_what_it_refers_to_and_without_prose() -> None:
    [schema] = schemas_of(DOCUMENT, ["example.com/Shop", "Other"])

    assert (schema.file_name, schema.allowed_as) == ("Shop.example.com_v1.json", "example.com/Shop")
    assert schema.definitions.keys() == {"com.example.v1.Shop", "io.k8s.ObjectMeta", "io.k8s.Quantity"}
    assert "prose" not in schema.as_json()
    assert "description" in schema.definitions["com.example.v1.Shop"]["properties"]["spec"]["properties"]
    assert read_schema(schema.as_json()) == schema


@pytest.mark.parametrize(
    "field",
    [
        "public: ${row.open}",
        "ratio: ${row.id}",
        "limit: ${row.size}",
        'limit: "${row.id}Gi"',
        "port: ${row.id}",
        "port: web",
        "labels: {a: '${row.name}', b: 'x'}",
        "labels: \"${{'a': row.name}}\"",
        "hosts: [{name: a, port: '${row.n}'}]",
        "hosts: \"${row.tags.map(tag, {'name': tag})}\"",
        "words: ${row.tags}",
        "words: ${row.doc.words}",
        "any: {what: [ever, 1]}",
        "any: ${row.id}",
        "self: {spec: {replicas: 1, mode: open}}",
    ],
)
def test_what_fits_its_field_passes(file: Path, field: str) -> None:
    assert checked(file, field) == []


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("hots: []", "18:17: spec.manifests[0].template.spec.hots: there is no such field; hosts is meant?"),
        ("public: 'yes'", "public: must be boolean, and is string"),
        ("public: ${row.name}", "18:19: spec.manifests[0].template.spec.public: must be boolean, and is string"),
        ("ratio: ${row.name}", "ratio: must be number, and is string; use double(…)"),
        ("description: ${row.id}", "description: must be string, and is integer; use string(…)"),
        ("description: 5", "description: must be string, and is integer"),
        ("self: {spec: {replicas: '${row.size}', mode: open}}", "replicas: must be integer, and is number; use int(…)"),
        ("port: ${row.open}", "port: must be integer or string, and is boolean"),
        ("limit: ${row.open}", "limit: must be string or number, and is boolean"),
        ("labels: {a: 5}", "spec.labels.a: must be string, and is integer"),
        ("labels: {a: '${row.id}'}", "spec.labels.a: must be string, and is integer; use string(…)"),
        ("labels: \"${{'a': row.id}}\"", "each of its values must be string, and is integer"),
        ("words: ${[row.id]}", "each of its items must be string, and is integer"),
        ("words: ${row.name}", "words: must be array, and is string"),
        ("hosts: [{port: 1}]", "spec.hosts[0]: name is missing"),
        ("hosts: [{name: a, prot: 1}]", "spec.hosts[0].prot: there is no such field; port is meant?"),
        ("hosts: {name: a}", "hosts: must be array, and is object"),
        ("self: {spec: {replicas: 1, mode: opne}}", "mode: must be open or closed; open is meant?"),
        ("self: {spec: {replicas: 1}}", "self.spec: mode is missing"),
        ("self: {metadata: {nam: x}}", "metadata.nam: there is no such field; name is meant?"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_what_is_meant(file: Path, field: str, said: str) -> None:
    [line] = checked(file, field)

    assert said in line


def test_a_default_that_a_built_in_kind_publishes_is_none() -> None:
    """The API server's own types have the empty value of Go as the default of what has to be there."""
    definitions = {
        "io.k8s.Thing": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "default": ""}, "apiVersion": {}, "kind": {}},
        }
    }
    schema = KindSchema("v1", "Thing", "io.k8s.Thing", definitions)
    [(_, message)] = Kinds([schema], "here").problems({"apiVersion": "v1", "kind": "Thing"}, (), {})

    assert message == "name is missing"


def test_a_version_that_is_not_known_is_named_with_the_one_that_is(file: Path) -> None:
    [line] = checked(file, "", DECLARATION.replace("apiVersion: example.com/v1\n", "apiVersion: example.com/v2\n"))

    assert "there is no example.com/v2 Shop in" in line
    assert line.endswith("; there is example.com/v1 Shop")


def test_without_schemas_fields_are_not_looked_at(file: Path, tmp_path: Path) -> None:
    (tmp_path / "schemas").rename(tmp_path / "elsewhere")

    assert checked(file, "hots: []") == []
    assert len(checked(file, "hots: []", DECLARATION, "--schemas", tmp_path / "elsewhere")) == 1


@pytest.mark.parametrize("content", [None, "{}", "none"])
def test_a_folder_without_schemas_is_said(file: Path, tmp_path: Path, content: str | None) -> None:
    for each in (tmp_path / "schemas").iterdir():
        each.unlink()
    if content is not None:
        (tmp_path / "schemas" / "x.json").write_text(content)
    file.write_text(DECLARATION.replace("FIELD", ""))

    ran = CliRunner().invoke(app, ["renderer", "check", str(file)], env={"ROWCAST_DATABASE_URL": None})

    assert (ran.exit_code, "schemas" in ran.stderr) == (2, True)


def test_a_cluster_that_is_none_is_one_line(file: Path, tmp_path: Path) -> None:
    file.write_text(DECLARATION.replace("FIELD", ""))
    (tmp_path / "kubeconfig").write_text(json.dumps({"nothing": 1}))

    for command in (["check", "--cluster"], ["schemas"]):
        options = ["--kubeconfig", str(tmp_path / "kubeconfig")]
        ran = CliRunner().invoke(app, ["renderer", *command, str(file), *options], env={"ROWCAST_DATABASE_URL": None})
        assert ran.exit_code == 1
        assert ran.stderr.startswith("rowcast: no access to a cluster: ")
        assert len(ran.stderr.splitlines()) == 1
