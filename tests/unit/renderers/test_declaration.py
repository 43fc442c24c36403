"""Reading a declaration: what is right is compiled, what is wrong is named with its place, all of it at once."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rowcast.core.renderer import ExpressionError, RenderedRow
from rowcast.core.shapes import Column, RowShape
from rowcast.core.source import Related, TableName
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_promotion, read_renderer
from rowcast.renderers.positions import ProblemsError
from rowcast.renderers.rendering import render

TENANTS = """\
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: tenants}
spec:
  source:
    table: public.tenants
    key: [region, id]
    exclude: [password_hash]
    where: row.active
    with:
      hosts: {table: public.hosts, on: {region: region, tenant: id}, columns: [host, port]}
  name: ${row.slug}
  environment: ${row.region}
  allow: {kinds: [Namespace, ConfigMap, argoproj.io/Application], namespaces: ["team-*"]}
  manifests:
    - id: app
      after: [namespace]
      when: row.plan == 'gold'
      for: {host: row.hosts}
      template:
        apiVersion: argoproj.io/v1alpha1
        kind: Application
        metadata: {name: "${row.slug}-${host.host}", namespace: "team-${row.slug}"}
        spec: {port: "${host.port}", replicas: "${row.replicas}", note: "${row.note}"}
    - id: namespace
      template: {apiVersion: v1, kind: Namespace, metadata: {name: "team-${row.slug}"}}
"""
COLUMNS = {
    name: Column(name, kind, nullable)
    for name, kind, nullable in (
        ("region", "string", False),
        ("id", "int", False),
        ("slug", "string", False),
        ("active", "bool", False),
        ("plan", "string", True),
        ("replicas", "int", True),
        ("note", "string", True),
        ("doc", "json", True),
        ("tags", "list(string)", True),
        ("ratio", "double", True),
    )
}
SHAPE = RowShape(COLUMNS, {"hosts": {"host": Column("host", "string", False), "port": Column("port", "int", True)}})
ROW = {
    "region": "eu",
    "id": 1,
    "slug": "acme",
    "active": True,
    "plan": "gold",
    "replicas": 3,
    "note": None,
    "hosts": [{"host": "a", "port": 80}, {"host": "b", "port": None}],
}


def rendered(text: str = TENANTS, shape: RowShape | None = SHAPE, **changes: Any) -> RenderedRow:
    return render(read_renderer(text, shape), Language(shape), {**ROW, **changes})


def problems(text: str, shape: RowShape | None = SHAPE) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        read_renderer(text, shape)
    return [str(problem) for problem in caught.value.problems]


def test_what_is_captured_is_known() -> None:
    source = read_renderer(TENANTS, SHAPE).source

    assert (source.renderer, source.table, source.key) == ("tenants", TableName("public", "tenants"), ("region", "id"))
    assert source.exclude == {"password_hash"}
    hosts = Related(TableName("public", "hosts"), {"region": "region", "tenant": "id"}, ("host", "port"))
    assert source.related == {"hosts": hosts}


@pytest.mark.parametrize("shape", [SHAPE, None], ids=["checked", "unchecked"])
def test_a_row_becomes_its_manifests_in_the_order_of_after(shape: RowShape | None) -> None:
    row = rendered(shape=shape)

    assert (row.name, row.environment) == ("acme", "eu")
    assert [(one.id, one.content["metadata"]) for one in row.manifests] == [
        ("namespace", {"name": "team-acme"}),
        ("app", {"name": "acme-a", "namespace": "team-acme"}),
        ("app", {"name": "acme-b", "namespace": "team-acme"}),
    ]


def test_a_value_that_is_one_expression_has_its_type_and_null_is_left_out() -> None:
    specs = [one.content["spec"] for one in rendered().manifests if one.id == "app"]

    assert specs == [{"port": 80, "replicas": 3}, {"replicas": 3}]


def test_a_row_that_where_leaves_out_has_no_manifests() -> None:
    assert rendered(active=False).manifests == ()


def test_a_manifest_whose_when_is_false_is_left_out() -> None:
    assert [one.id for one in rendered(plan="free").manifests] == ["namespace"]


def test_values_cannot_change_the_structure() -> None:
    note = "x'\n        injected: true"

    assert rendered(note=note).manifests[1].content["spec"] == {"port": 80, "replicas": 3, "note": note}


def test_a_mapping_of_an_expression_has_the_same_order_in_every_process() -> None:
    note = "${{'z': 1, 'b': 2, 'y': 3, 'a': 4, 'x': 5}}"
    text = with_line('note: "${row.note}"', f'note: "{note}"')

    assert list(rendered(text).manifests[1].content["spec"]["note"]) == ["a", "b", "x", "y", "z"]


def test_an_environment_that_is_no_text_is_refused() -> None:
    with pytest.raises(ExpressionError, match=r"spec\.environment: must be a text"):
        rendered(shape=None, region=None)


def with_line(old: str, new: str) -> str:
    assert old in TENANTS
    return TENANTS.replace(old, new, 1)


WRONG = {
    "a column that isn't there": (
        with_line("${row.slug}-${host.host}", "${row.slgu}-${host.host}"),
        ["23:32: spec.manifests[0].template.metadata.name: undefined field 'slgu'"],
    ),
    "a column of a related row that isn't there": (
        with_line("${host.port}", "${host.prot}"),
        ["24:29: spec.manifests[0].template.spec.port: undefined field 'prot'"],
    ),
    "an operation that the types don't have": (
        with_line("${row.replicas}", "${row.slug + 1}"),
        ["24:60: spec.manifests[0].template.spec.replicas: found no matching overload for '_+_'"],
    ),
    "a condition that is none": (
        with_line("row.plan == 'gold'", "row.plan"),
        ["18:13: spec.manifests[0].when: must be bool, and is string"],
    ),
    "a list that is none": (
        with_line("{host: row.hosts}", "{host: row.slug}"),
        ["19:19: spec.manifests[0].for.host: must be list, and is string"],
    ),
    "a readiness over the row": (
        with_line("      when:", "      ready: ${row.active}\n      when:"),
        ["18:19: spec.manifests[0].ready: undeclared reference to 'row.active'"],
    ),
    "a readiness that is none": (
        with_line("      when:", "      ready: self.status.phase + 'x'\n      when:"),
        ["18:14: spec.manifests[0].ready: must be bool, and is string"],
    ),
    "an expression without an end": (
        with_line("name: ${row.slug}", "name: ${row.slug"),
        ["12:9: spec.name: ${ has no end"],
    ),
    "a misspelt word": (
        with_line("      when:", "      wehn:"),
        ["18:13: spec.manifests[0].wehn: is nothing that a declaration has here; when is meant?"],
    ),
    "a word that is there twice": (
        with_line("      when:", "      when: row.active\n      when:"),
        ["19:7: spec.manifests[0].when: is there twice"],
    ),
    "a circle": (
        with_line("    - id: namespace\n", "    - id: namespace\n      after: [app]\n"),
        ["16:5: spec.manifests: each of these waits for another of them: app, namespace"],
    ),
    "a manifest that nobody knows": (
        with_line("after: [namespace]", "after: [namespaces]"),
        ["17:14: spec.manifests[0].after: there is no manifest namespaces"],
    ),
    "two of an id": (
        with_line("- id: app", "- id: namespace"),
        ["25:11: spec.manifests[1].id: namespace is there twice"],
    ),
    "a key that is left out": (
        with_line("[password_hash]", "[id]"),
        ["8:14: spec.source.exclude: id is part of the key, which can't be left out"],
    ),
    "related rows of related rows": (
        with_line("columns: [host, port]}", "columns: [host], with: {x: {}}}"),
        ["related rows of related rows are not captured: one level only"],
    ),
    "a kind by an expression": (
        with_line("kind: Application", "kind: ${row.slug}"),
        ["22:15: spec.manifests[0].template.kind: kind must be a plain text"],
    ),
    "no name": (
        with_line('metadata: {name: "team-${row.slug}"}', "metadata: {}"),
        ["spec.manifests[1].template: metadata.name is missing"],
    ),
    "another version": (with_line("v1alpha1", "v9"), ["1:13: apiVersion: must be rowcast.dev/v1alpha1"]),
    "no YAML": ("apiVersion: [", ["1:14: is no YAML"]),
    "nothing": ("", ["1:1: is empty"]),
    "an alias": ("a: &x 1\nb: *x\n", ["has aliases"]),
    "a list": ("- 1\n", ["must be a mapping, and is a list"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_with_its_place(what: str) -> None:
    text, expected = WRONG[what]

    said = problems(text)

    for line in expected:
        assert any(line in one for one in said), said


RBAC = "rbac.authorization.k8s.io"


@pytest.mark.parametrize(
    ("group", "kind"),
    [("", "Secret"), *((RBAC, kind) for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"))],
)
def test_a_kind_that_gives_power_is_made_only_where_it_is_named(group: str, kind: str) -> None:
    """No pattern is a name: `*`, and a kind of no group or of another one, allow nothing of it."""
    name, version = (f"{group}/{kind}", f"{group}/v1") if group else (kind, "v1")
    template = f'{{apiVersion: {version}, kind: {kind}, metadata: {{name: "team-${{row.slug}}"}}}}'
    text = with_line('{apiVersion: v1, kind: Namespace, metadata: {name: "team-${row.slug}"}}', template)

    def allowing(kinds: str) -> str:
        return text.replace("[Namespace, ConfigMap, argoproj.io/Application]", f"[argoproj.io/Application, {kinds}]")

    for others in ("Namespace", '"*"', f'"{RBAC}/*"', f"example.com/{kind}"):
        assert any(f"{name} is not among spec.allow.kinds" in said for said in problems(allowing(others))), others
    assert rendered(allowing(f'"{name}"')).manifests[0].content["kind"] == kind


SECRET = """\
    - id: secret
      template:
        apiVersion: v1
        kind: Secret
        metadata: {name: "${row.slug}"}
"""


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("data: {token: '${row.note}'}", "data.token"),
        ("stringData: {url: 'postgresql://x:${row.note}@y'}", "stringData.url"),
        ("stringData: '${row.doc}'", "stringData"),
    ],
)
def test_a_secrets_content_never_comes_from_a_row(content: str, place: str) -> None:
    text = with_line("[Namespace, ", "[Namespace, Secret, ") + SECRET

    [said] = problems(f"{text}        {content}\n")

    assert f"spec.manifests[2].template.{place}: a Secret's content can't come from a row" in said
    assert "ExternalSecret" in said
    plain = rendered(f"{text}        stringData: {{note: '$${{fixed}}'}}\n").manifests[-1].content
    assert (plain["metadata"]["name"], plain["stringData"]) == ("acme", {"note": "${fixed}"})


def test_all_that_is_wrong_is_said_at_once() -> None:
    said = problems(TENANTS.replace("row.slug", "row.sluggish").replace("kind: Renderer", "kind: Render"))

    assert [line.split(":")[0] for line in said] == ["2", "12", "23", "23", "26"]


def test_a_place_within_a_block_of_text_is_its_own_line() -> None:
    text = with_line('note: "${row.note}"}', 'note: "x"}\n        extra: |\n          one\n          two ${row.nope}')

    assert any(line.startswith("27:20: ") for line in problems(text)), problems(text)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"plan": "gold", "hosts": [{"host": "a"}, {"host": "a"}]}, "manifests app and app are both argoproj.io/App"),
        ({"slug": "a", "plan": "gold", "hosts": [{"host": "A"}]}, "manifest app: Kubernetes refuses it: metadata.name"),
        ({"replicas": "many"}, "row.replicas is not int"),
        ({"tags": ["a", None]}, "row.tags is not list.string.: NULL"),
        ({"doc": {"n": 2**60}}, "row.doc is not json: .* write it as text"),
    ],
)
def test_a_row_that_cannot_be_rendered_says_why(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        rendered(**changes)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("${row.doc.a.b}", 80),
        ("${row.ratio}", 0.5),
        ("${row.tags}", ["x", "y"]),
        ("${row.tags.map(t, {'name': t})}", [{"name": "x"}, {"name": "y"}]),
        ("${row.?note.orValue('none')}", "none"),
        ("a $${b} ${row.id}", "a ${b} 1"),
        ("${{'a': '}'}.a + \"}\"}", "}}"),
        ("${row.active}!", "true!"),
    ],
)
def test_expressions_give_what_json_has(expression: str, value: object) -> None:
    text = with_line('note: "${row.note}"', "note: '" + expression.replace("'", "''") + "'")

    row = rendered(text, doc={"a": {"b": 80}}, ratio=0.5, tags=["x", "y"])

    assert row.manifests[1].content["spec"]["note"] == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("${1 / (row.id - 1)}", "divide by zero"),
        ("${row.tags[7]}", "index=7"),
        ("${row.note + '!'}", "No matching overloads"),
        ("x ${row.note}", "NULL can't stand within a text"),
        ("x ${row.tags}", "a list can't stand within a text"),
        ("${0.0 / 0.0}", "no number that JSON has"),
        ("${b'x'}", "gives BYTES"),
        ("${{1: 2}}", "keys of a mapping must be strings"),
        ("${row}", "name the columns"),
    ],
)
def test_an_expression_without_a_value_is_named_with_its_place(expression: str, why: str) -> None:
    text = with_line('note: "${row.note}"', "note: '" + expression.replace("'", "''") + "'")

    with pytest.raises(ExpressionError, match=why) as caught:
        rendered(text, tags=["x"])

    assert "spec.manifests[0].template.spec.note" in str(caught.value)


def test_null_costs_python_nothing() -> None:
    """The library hands out None without counting it, which before Python 3.12 ends the process in time."""
    text = with_line('note: "${row.note}"', "note: '${[row.note, {\"a\": row.doc}]}'")
    renderer, language = read_renderer(text, SHAPE), Language(SHAPE)
    row = {**ROW, "doc": {"x": None}}
    render(renderer, language, row)
    before = sys.getrefcount(None)

    for _ in range(200):
        render(renderer, language, row)

    assert sys.getrefcount(None) > before - 100


PROMOTION = "  promotion: {match: [slug], along: region, order: [eu, us], fields: [plan, replicas]}\n"


def test_a_promotion_is_read_and_held_to_the_tables_columns() -> None:
    made = read_renderer(TENANTS + PROMOTION, SHAPE).promotion
    assert made is not None
    assert (made.match, made.along, made.order, made.fields) == (
        ("slug",),
        "region",
        ("eu", "us"),
        ("plan", "replicas"),
    )
    assert read_promotion(TENANTS) is None
    assert read_promotion(TENANTS + PROMOTION) == made


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("replicas", "replica", "spec.promotion.fields: replica is no column of the table (replicas is meant?)"),
        ("along: region", "along: place", "spec.promotion.along: place is no column of the table"),
        ("replicas", "password_hash", "spec.promotion.fields: password_hash is in spec.source.exclude"),
        ("replicas", "id", "spec.promotion.fields: id is part of the key, and can't be copied"),
        ("[eu, us]", "[eu]", "spec.promotion.order: must have two places at least"),
        ("along: region, ", "", "spec.promotion: must be the name of a column"),
    ],
)
def test_what_is_wrong_with_a_promotion_has_its_place(was: str, becomes: str, said: str) -> None:
    assert any(said in problem for problem in problems(TENANTS + PROMOTION.replace(was, becomes)))
