"""`rowcast renderer impact`: what applying a declaration would do to all rows, beside what it then does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rowcast.core.shapes import shape_of
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.rendering import render

from .conftest import Place
from .test_apply import DECLARATION, apply, shops  # noqa: F401
from .test_commands import rowcast

LARGER = DECLARATION.replace('{size: "${string(row.size)}"}', '{size: "${string(row.size)}", unit: m2}')
MOVED = DECLARATION.replace('metadata: {name: "shop-', 'metadata: {name: "store-')


@pytest.fixture
def applied(shops: Place, tmp_path: Path) -> Place:  # noqa: F811
    apply(shops, tmp_path)
    return shops


def impact(place: Place, folder: Path, declaration: str, code: int = 3) -> dict[str, Any]:
    file = folder / "changed.yaml"
    file.write_text(declaration)
    ran = rowcast(place, "impact", file, "-o", "json")
    assert ran.exit_code == code, ran.output
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


def objects(place: Place) -> dict[str, dict[str, Any]]:
    """What there is to be, by the name of each object, from what is in the tables."""
    found = place.ask(
        "SELECT text, shape, rows.row FROM rowcast.rows JOIN rowcast.renderers USING (revision)"
        " WHERE renderer = renderers.name AND NOT deleted"
    )
    made = {}
    for text, shape, row in found:
        columns = shape_of(shape)
        for manifest in render(read_renderer(text, columns), Language(columns), row).manifests:
            made[manifest.content["metadata"]["name"]] = dict(manifest.content)
    return made


def test_what_is_applied_changes_nothing(applied: Place, tmp_path: Path) -> None:
    seen = impact(applied, tmp_path, DECLARATION, 0)

    assert (seen["revision"], seen["rows"], seen["changed_rows"], seen["groups"]) == (1, 2, 0, [])
    assert impact(applied, tmp_path, DECLARATION, 0)["token"] == seen["token"]
    applied.run("UPDATE shops SET size = 9 WHERE id = 1")
    assert impact(applied, tmp_path, DECLARATION, 0)["token"] != seen["token"]


def test_it_is_what_applying_then_does(applied: Place, tmp_path: Path) -> None:
    for declaration, became in ((LARGER, "changed"), (MOVED, "moved"), (DECLARATION, "moved")):
        before = objects(applied)
        seen = impact(applied, tmp_path, declaration)
        apply(applied, tmp_path, declaration)
        after = objects(applied)

        assert seen["objects"][became] == len(after)
        assert seen["objects"]["unchanged"] == 0
        assert (before.keys() == after.keys()) == (became == "changed")
        assert before != after


def test_each_row_is_compared_by_the_revision_that_it_is_of(applied: Place, tmp_path: Path) -> None:
    apply(applied, tmp_path, LARGER)
    applied.run("UPDATE rowcast.rows SET revision = 1 WHERE renderer = 'shops' AND key = '2'")

    (group,) = impact(applied, tmp_path, LARGER)["groups"]

    assert (group["path"], group["change"], group["after"], group["rows"]) == ("data.unit", "set", {"value": "m2"}, 1)
    assert [example["key"] for example in group["examples"]] == ["2"]


def test_other_columns_are_read_from_the_table_as_applying_captures_them(applied: Place, tmp_path: Path) -> None:
    applied.run("ALTER TABLE shops ADD city text DEFAULT '100 %'")
    wanted = DECLARATION.replace('"${string(row.size)}"}', '"${row.city}"}')

    seen = impact(applied, tmp_path, wanted)
    apply(applied, tmp_path, wanted)

    assert seen["captured_anew"]
    (group,) = seen["groups"]
    assert (group["rows"], group["before"], group["after"]) == (2, {"varies": True}, {"value": "100 %"})
    assert {each["data"]["size"] for each in objects(applied).values()} == {"100 %"}


def test_many_rows_are_rendered_by_several_processes_to_the_same_end(
    applied: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = impact(applied, tmp_path, MOVED)
    monkeypatch.setattr("rowcast.crud.renderers.impact.ROWS_OF_SEVERAL", 0)
    monkeypatch.setattr("rowcast.crud.renderers.impact.ROWS_AT_ONCE", 1)
    monkeypatch.setattr("rowcast.crud.renderers.cli._processors", lambda: 2)

    assert impact(applied, tmp_path, MOVED) == one


def test_of_a_renderer_that_was_never_applied_all_rows_are_new(shops: Place, tmp_path: Path) -> None:  # noqa: F811
    seen = impact(shops, tmp_path, DECLARATION)

    assert (seen["revision"], seen["captured_anew"], seen["objects"]["made"]) == (None, True, 2)


def test_people_see_the_loudest_first_and_a_pull_request_the_same(applied: Place, tmp_path: Path) -> None:
    file = tmp_path / "changed.yaml"
    file.write_text(MOVED)

    text = rowcast(applied, "impact", "--file", file, "--sample", "1")
    comment = rowcast(applied, "impact", file, "-o", "markdown")

    assert (text.exit_code, comment.exit_code) == (3, 3), text.output
    assert text.stdout.splitlines()[:-1] == [
        "shops: from revision 1, 2 of 2 rows change (objects: 2 moved)",
        "MOVED: deleted, and made anew:",
        "  2 rows: ConfigMap settings metadata.name … → …",
        "    row 1, ConfigMap shop-1 → ConfigMap store-1",
    ]
    assert "| 2 | 2 | ConfigMap settings metadata.name … → … |" in comment.stdout
    assert "- ConfigMap settings metadata.name … → …: row 2, ConfigMap shop-2 → ConfigMap store-2" in comment.stdout


def test_what_is_retained_is_not_said_to_be_deleted_when_it_moves(shops: Place, tmp_path: Path) -> None:  # noqa: F811
    retained = DECLARATION.replace("- id: settings", "- id: settings\n      delete: retain")
    apply(shops, tmp_path, retained)
    file = tmp_path / "changed.yaml"
    file.write_text(retained.replace('metadata: {name: "shop-', 'metadata: {name: "store-'))

    text = rowcast(shops, "impact", file).stdout

    assert "MOVED: made anew, and the old ones stay behind (delete: retain):" in text
    assert "deleted" not in text


def test_rows_that_fail_and_rows_that_want_the_same_object_are_errors(applied: Place, tmp_path: Path) -> None:
    applied.run("UPDATE shops SET size = 0 WHERE id = 1")
    failing = impact(applied, tmp_path, DECLARATION.replace("string(row.size)", "string(10 / row.size)"), 1)
    assert [(each["message"], each["rows"], each["examples"]) for each in failing["errors"]] == [
        ("divide by zero", 1, ["1"])
    ]

    (collision,) = impact(applied, tmp_path, MOVED.replace('store-${string(row.id)}"', 'store"'), 1)["collisions"]
    assert (collision["object"], collision["keys"]) == ("ConfigMap store", ["1", "2"])


def test_a_declaration_with_problems_is_told_by_their_places(applied: Place, tmp_path: Path) -> None:
    file = tmp_path / "changed.yaml"
    file.write_text(DECLARATION.replace("row.size", "row.sise"))

    ran = rowcast(applied, "impact", file)

    assert (ran.exit_code, ran.stdout) == (1, "")
    assert f"{file}:15:" in ran.stderr
    assert "undefined field 'sise'" in ran.stderr
    assert rowcast(applied, "impact").exit_code == 2
