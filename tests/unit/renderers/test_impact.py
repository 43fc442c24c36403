"""Impact of generated declarations on generated rows: its groups are what a plain comparison counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.core.impact import Impact
from rowcast.core.renderer import ExpressionError, RenderedRow, Renderer, Rendering
from rowcast.core.shapes import Column, RowShape
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.rendering import Pair
from rowcast.renderers.rendering import rendering as apart
from rowcast.renderers.templates import compile_template, share

SHAPE = RowShape(
    {
        "id": Column("id", "int", nullable=False),
        "size": Column("size", "int"),
        "text": Column("text", "string"),
        "tags": Column("tags", "list(string)"),
    }
)
ALONE = Language(SHAPE)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "size": st.none() | st.integers(0, 2),
            "text": st.none() | st.sampled_from(["", "a", "b"]),
            "tags": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
        }
    ),
    max_size=5,
).map(lambda rows: [{"id": number, **row} for number, row in enumerate(rows)])
VALUES = st.sampled_from(
    [
        "plain",
        "${row.text}",
        "${string(row.size)}",
        "${string(2 / row.size)}",
        "x-${row.id}",
        "${row.tags}",
        "${row.size}",
    ]
)
NAMES = st.sampled_from(["r${row.id}", "s${row.id}", "r${row.id}${row.text}"])
MANIFEST = st.fixed_dictionaries(
    {
        "name": NAMES,
        "namespace": st.sampled_from([None, "one", "n${row.id}"]),
        "kind": st.sampled_from(["ConfigMap", "Secret"]),
        "data": st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3),
        "when": st.sampled_from([None, "row.size == 1", "row.text != 'a'"]),
        "delete": st.sampled_from(["delete", "retain"]),
        "each": st.booleans(),
    }
)
DECLARATIONS = st.dictionaries(st.sampled_from(["first", "second"]), MANIFEST, min_size=1)


def declared(manifests: Mapping[str, Mapping[str, Any]], language: Language | None = None) -> Renderer:
    made = []
    for name, each in manifests.items():
        suffix = "-${tag}" if each["each"] else ""
        metadata = {"name": f"{name}-{each['name']}{suffix}"}
        metadata |= {"namespace": each["namespace"]} if each["namespace"] else {}
        manifest = {
            "id": name,
            "delete": each["delete"],
            "template": {"apiVersion": "v1", "kind": each["kind"], "metadata": metadata, "data": each["data"]},
        }
        manifest |= {"when": each["when"]} if each["when"] else {}
        manifest |= {"for": {"tag": "row.tags"}} if each["each"] else {}
        made.append(manifest)
    spec = {
        "source": {"table": "public.things", "key": ["id"]},
        "name": "r${row.id}",
        "allow": {"kinds": ["ConfigMap", "Secret"]},
        "manifests": made,
    }
    document = {"apiVersion": "rowcast.dev/v1alpha1", "kind": "Renderer", "metadata": {"name": "things"}, "spec": spec}
    return read_renderer(yaml.safe_dump(document), SHAPE, language)


def rendering(renderer: Renderer, row: Mapping[str, Any]) -> Rendering:
    return apart(renderer, ALONE, row)


def leaves(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(f"{path}.{name}" if path else name, item)
    else:
        yield path, repr(value)


def objects(row: Rendering) -> dict[tuple[str, str, str | None, str], dict[str, str]]:
    """By manifest, kind, namespace and name."""
    if not isinstance(row, RenderedRow):
        return {}
    return {
        (
            each.id,
            each.content["kind"],
            each.content["metadata"].get("namespace"),
            each.content["metadata"]["name"],
        ): dict(leaves("", each.content))
        for each in row.manifests
    }


def counted(pairs: Sequence[tuple[Rendering, Rendering]], retained: set[str]) -> dict[str, int]:
    counts = Counter[str]()
    for old, new in pairs:
        if not isinstance(new, RenderedRow):
            continue
        had, has = objects(old), objects(new)
        for same in had.keys() & has.keys():
            counts["unchanged" if had[same] == has[same] else "changed"] += 1
        gone = Counter(name[:2] for name in had.keys() - has.keys())
        made = Counter(name[:2] for name in has.keys() - had.keys())
        moved = gone & made
        counts["moved"] += moved.total()
        counts["made"] += (made - moved).total()
        counts["retained"] += sum(number for (manifest, _), number in gone.items() if manifest in retained)
        counts["removed"] += sum(number for (name, _), number in (gone - moved).items() if name not in retained)
    return {action: counts[action] for action in ("made", "removed", "retained", "moved", "changed", "unchanged")}


@examples(60)
@given(DECLARATIONS, DECLARATIONS, ROWS)
def test_the_groups_of_an_impact_are_what_a_plain_comparison_counts(
    before: dict[str, Any], after: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    old, new = declared(before), declared(after)
    retained = {manifest.id for manifest in old.manifests if manifest.delete == "retain"}
    pairs = [(rendering(old, row), rendering(new, row)) for row in rows]
    impact = Impact(len(rows))

    for row, pair in zip(rows, pairs, strict=True):
        impact.add(str(row["id"]), *pair, retained)

    seen = impact.as_json()
    assert seen["objects"] == counted(pairs, retained)
    assert seen["failed_rows"] == sum(isinstance(each, ExpressionError) for _, each in pairs)
    differing = {
        row["id"]
        for row, (had, has) in zip(rows, pairs, strict=True)
        if isinstance(has, RenderedRow) and objects(had) != objects(has)
    }
    assert {int(each["key"]) for group in seen["groups"] for each in group["examples"]} == differing
    assert seen["changed_rows"] == len(differing)
    by_path = Counter[str]()
    for had, has in pairs:
        both = (objects(had), objects(has)) if isinstance(has, RenderedRow) else ({}, {})
        for same in both[0].keys() & both[1].keys():
            paths = both[0][same].keys() | both[1][same].keys()
            by_path.update(path for path in paths if both[0][same].get(path) != both[1][same].get(path))
    groups = [
        (*each["path"].partition("[")[:2], each["objects"]) for each in seen["groups"] if each["action"] == "changed"
    ]
    assert {path for path, _, _ in groups} == by_path.keys()
    items = {path for path, item, _ in groups if item}  # where a list's items are counted, each by itself
    for path in by_path.keys() - items:
        assert by_path[path] == sum(number for each, _, number in groups if each == path)


def content(row: Rendering) -> object:
    """To the letter, with the order of mappings; of an error all that is said of it."""
    if isinstance(row, ExpressionError):
        return str(row), row.path, row.expression, row.message
    return row.name, row.environment, [(each.id, repr(each.content)) for each in row.manifests]


@examples(40)
@given(DECLARATIONS, DECLARATIONS, ROWS, st.booleans())
def test_what_both_declarations_have_is_rendered_once_to_what_each_of_them_renders(
    before: dict[str, Any], after: dict[str, Any], rows: list[dict[str, Any]], partly: bool
) -> None:
    wanted = before | after if partly else after
    language = Language(SHAPE)
    pair = Pair(language, declared(before, language), declared(wanted, language))
    old, new = declared(before), declared(wanted)
    alone, together = Impact(len(rows)), Impact(len(rows))

    for row in rows:
        by_each, by_both = (rendering(old, row), rendering(new, row)), pair.render(row)
        assert [content(each) for each in by_both] == [content(each) for each in by_each]
        alone.add(str(row["id"]), *by_each)
        together.add(str(row["id"]), *by_both)

    assert together.as_json() == alone.as_json()


def test_manifests_and_parts_of_them_that_are_equal_are_rendered_to_one_object() -> None:
    language = Language(SHAPE)
    manifest = {"name": "r${row.id}", "namespace": None, "kind": "ConfigMap", "when": None, "each": False}
    old = {name: {**manifest, "delete": "delete", "data": {"a": "${row.text}"}} for name in ("first", "second")}
    new = {**old, "second": {**old["second"], "data": {"a": "${row.text}", "b": "x"}}}

    had, has = Pair(language, declared(old, language), declared(new, language)).render({"id": 1, "text": "x"})

    assert isinstance(had, RenderedRow)
    assert isinstance(has, RenderedRow)
    assert had.manifests[0] is has.manifests[0]
    assert had.manifests[1].content["metadata"] is has.manifests[1].content["metadata"]


def test_to_python_true_is_one_and_to_a_template_it_is_not() -> None:
    def no_expressions(*_: object) -> Any:
        raise AssertionError

    both = (compile_template({"a": [value]}, no_expressions) for value in (True, 1))

    variables: dict[str, Any] = {}
    assert repr([each.render(variables) for each in share(*both)]) == "[{'a': [True]}, {'a': [1]}]"
