"""What a changed declaration does to rows, by the shape of the change."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core import impact as module
from rowcast.core.impact import Impact, Part, settings_between
from rowcast.core.renderer import Allow, ExpressionError, Manifest, RenderedManifest, RenderedRow, Renderer
from rowcast.core.source import Source, TableName


class Plain:
    def render(self, variables: Any) -> Any:
        raise NotImplementedError


def declared(**settings: Any) -> Renderer:
    source = Source("shops", TableName("public", "shops"), ("id",))
    manifest = Manifest("settings", Plain(), **settings)
    return Renderer("shops", source, Plain(), None, None, Allow(("ConfigMap",)), [manifest])


def rendered(name: str = "a", manifest: str = "settings", namespace: str | None = None, **content: Any) -> RenderedRow:
    """A row of one manifest."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **content}
    return RenderedRow(name, None, [RenderedManifest(manifest, body)])


NOTHING = RenderedRow("a", None, ())


def found(*pairs: Any, retained: Any = (), sample: int = 3) -> dict[str, Any]:
    """What two renderings of each row come to."""
    impact = Impact(sample)
    for number, (old, new) in enumerate(pairs):
        impact.add(str(number), old, new, retained)
    return impact.as_json()


def groups(as_json: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (each["action"], each["path"], each["change"], each["before"], each["after"], each["rows"])
        for each in as_json["groups"]
    ]


def data(value: Any) -> RenderedRow:
    return rendered(data={"value": value})


def test_rows_that_stay_as_they_are_change_nothing() -> None:
    same = found((data("x"), data("x")), (NOTHING, NOTHING))

    assert (same["rows"], same["changed_rows"], same["groups"], same["objects"]["unchanged"]) == (2, 0, [], 1)


@pytest.mark.parametrize(
    ("old", "new", "path", "change", "before", "after"),
    [
        ({"value": "x"}, {"value": "y"}, "data.value", "changed", "x", "y"),
        ({"value": 1}, {"value": True}, "data.value", "changed", 1, True),
        ({}, {"a.b/c": None}, 'data["a.b/c"]', "set", None, None),
        ({"value": {"x": 1}}, {}, "data.value", "removed", {"x": 1}, None),
        ({"value": [1, 2]}, {"value": [1, 3]}, "data.value[1]", "changed", 2, 3),
        ({"value": [1, 2]}, {"value": [1]}, "data.value[1]", "removed", 2, None),
        ({"value": [{"name": "b"}]}, {"value": [{"name": "a"}, {"name": "b"}]}, "data.value[0]", "set", None, "a"),
    ],
)
def test_a_change_is_told_by_its_path_and_its_values(
    old: Any, new: Any, path: str, change: str, before: Any, after: Any
) -> None:
    (group,) = found((rendered(data=old), rendered(data=new)))["groups"]

    assert (group["path"], group["change"]) == (path, change)
    assert group["before"] == (None if change == "set" else {"value": before})
    assert group["after"] == (None if change == "removed" else {"value": {"name": "a"} if after == "a" else after})


def test_items_by_name_in_another_order_are_one_change() -> None:
    items = [{"name": "a"}, {"name": "b"}]

    assert groups(found((data(items), data(items[::-1])))) == [
        ("changed", "data.value (order)", "changed", {"value": ["a", "b"]}, {"value": ["b", "a"]}, 1)
    ]


def test_rows_of_the_same_change_are_one_group_that_says_which_values_vary() -> None:
    result = found(*((data(str(number)), data("new")) for number in range(5)), sample=2)

    assert groups(result) == [("changed", "data.value", "changed", {"varies": True}, {"value": "new"}, 5)]
    assert result["groups"][0]["examples"] == [
        {"key": "0", "object": "ConfigMap a", "before": "0", "after": "new"},
        {"key": "1", "object": "ConfigMap a", "before": "1", "after": "new"},
    ]
    assert len(result["collisions"]) == 4


def test_objects_are_made_removed_and_retained() -> None:
    assert groups(found((NOTHING, data("x")))) == [("made", "", "", None, None, 1)]
    assert groups(found((data("x"), NOTHING))) == [("removed", "", "", None, None, 1)]
    assert groups(found((data("x"), NOTHING), retained={"settings"})) == [("retained", "", "", None, None, 1)]


def test_another_name_or_namespace_is_a_move_and_what_is_retained_is_left_behind() -> None:
    moved = found((rendered("a"), rendered("b", namespace="n")), retained={"settings"})

    assert [(action, path) for action, path, *_ in groups(moved)] == [
        ("moved", "metadata.name"),
        ("moved", "metadata.namespace"),
        ("retained", ""),
        ("row", "spec.name"),
    ]
    assert moved["groups"][0]["examples"][0]["object"] == "ConfigMap a → ConfigMap n/b"
    assert (moved["objects"]["moved"], moved["objects"]["made"], moved["objects"]["removed"]) == (1, 0, 0)


def test_an_object_of_another_manifest_is_not_what_was_moved() -> None:
    result = found((rendered("a", "one"), rendered("b", "two")))

    assert (result["objects"]["made"], result["objects"]["removed"], result["objects"]["moved"]) == (1, 1, 0)


def test_rows_that_cannot_be_rendered_are_grouped_by_what_is_wrong() -> None:
    wrong = ExpressionError("division by zero", "spec.name", "1 / row.size")

    result = found((data("x"), wrong), (wrong, wrong), (wrong, data("x")))

    assert result["errors"] == [
        {
            "path": "spec.name",
            "expression": "1 / row.size",
            "message": "division by zero",
            "rows": 2,
            "before": 1,
            "examples": ["0", "1"],
        }
    ]
    assert (result["failed_rows"], result["recovered_rows"], result["objects"]["made"]) == (2, 1, 1)


def test_two_rows_that_want_one_object_are_named_unless_they_are_of_two_environments() -> None:
    (collision,) = found((NOTHING, data("x")), (NOTHING, data("y")))["collisions"]
    assert collision == {"object": "ConfigMap a", "environment": None, "keys": ["0", "1"]}

    apart = [RenderedRow("a", environment, data("x").manifests) for environment in ("dev", "prod")]
    assert found(*((NOTHING, row) for row in apart))["collisions"] == []


def test_how_manifests_are_treated_is_compared_too() -> None:
    settings = list(settings_between(declared(), declared(delete="retain", ignore=("spec.replicas",))))

    assert Impact(settings=settings).changes
    assert settings == [
        {"manifest": "settings", "setting": "delete", "before": "delete", "after": "retain"},
        {"manifest": "settings", "setting": "ignore", "before": [], "after": ["spec.replicas"]},
    ]


def test_what_is_kept_has_a_bound_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHAPES", 2)
    monkeypatch.setattr(module, "COLLISIONS", 1)
    rows = [(rendered(data={}), rendered(data={f"k{number}": "x" * 10_000})) for number in range(5)]
    wrong = [(NOTHING, ExpressionError(str(number))) for number in range(3)]

    result = found(*rows, *wrong)

    assert (len(result["groups"]), result["more_changes"]) == (2, 3)
    assert (len(result["errors"]), result["more_errors"]) == (2, 1)
    assert (len(result["collisions"]), result["more_collisions"]) == (1, 3)
    assert len(json.dumps(result)) < 5_000


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)


def _row(objects: dict[tuple[str, str], Any]) -> RenderedRow:
    """Objects by manifest and name; a manifest has one at most."""
    manifests = [
        each for (manifest, name), value in objects.items() for each in rendered(name, manifest, data=value).manifests
    ]
    return RenderedRow("row", None, manifests)


ROWS = st.dictionaries(st.sampled_from("xyz"), st.tuples(st.sampled_from("ab"), VALUES), max_size=3).map(
    lambda row: _row({(manifest, f"{manifest}-{name}"): value for manifest, (name, value) in row.items()})
)


@given(st.lists(st.tuples(ROWS, ROWS), max_size=6), st.integers(0, 6))
def test_parts_that_were_added_up_elsewhere_come_to_the_same(
    pairs: list[tuple[RenderedRow, RenderedRow]], first: int
) -> None:
    merged = Impact()
    for numbers in (range(len(pairs))[:first], range(len(pairs))[first:]):
        part = Part()
        for number in numbers:
            part.add(str(number), *pairs[number])
        merged.merge(pickle.loads(pickle.dumps(part)))

    assert merged.as_json() == found(*pairs)


@given(st.lists(st.tuples(ROWS, ROWS), max_size=6))
def test_what_becomes_of_objects_is_what_a_plain_comparison_says(pairs: list[tuple[RenderedRow, RenderedRow]]) -> None:
    result = found(*pairs)

    counts = dict.fromkeys(("made", "removed", "retained", "moved", "changed", "unchanged"), 0)
    changed_rows = 0
    for old, new in pairs:
        had, has = ({each.id: each for each in row.manifests} for row in (old, new))
        became = []
        for manifest in had.keys() | has.keys():
            if manifest not in had or manifest not in has:
                became.append("made" if manifest in has else "removed")
            elif had[manifest].object != has[manifest].object:
                became.append("moved")
            else:
                texts = {json.dumps(each[manifest].content, sort_keys=True) for each in (had, has)}
                became.append("unchanged" if len(texts) == 1 else "changed")
        changed_rows += {*became} > {"unchanged"} or bool(became and "unchanged" not in became)
        for action in became:
            counts[action] += 1
    assert result["objects"] == counts
    assert result["changed_rows"] == changed_rows
    rows_of = {each["action"]: each for each in result["groups"]}
    assert {action for action in counts if counts[action] and action != "unchanged"} == rows_of.keys()
